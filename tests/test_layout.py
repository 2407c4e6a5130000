"""The rooms stay small and named: what a newcomer counts on when looking for the place of a change."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("sentiment_api", "sentiment_train", "drift_jobs", "benchmarks")
FOLDERS = sorted({path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")})
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").rglob("*.md")])
MOST_MODULES = 14
MOST_LINES = 350

_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)

of_each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=[str(path.relative_to(ROOT)) for path in FOLDERS])
of_each_page = pytest.mark.parametrize("page", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])


def _modules(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.py") if path.name != "__init__.py"]


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    headings = _HEADING.findall(_CODE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@of_each_folder
def test_a_folder_has_one_subject_and_few_modules(folder: Path) -> None:
    """Its `__init__` says what belongs there, and it holds at most 14 modules of at most 350 lines."""
    modules = _modules(folder)
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    assert len(modules) <= MOST_MODULES
    assert [path.name for path in modules if len(path.read_text().splitlines()) > MOST_LINES] == []


def test_a_public_class_name_stands_for_one_thing() -> None:
    """No two modules of the project define a public class of the same name."""
    places: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_typer_is_known_to_command_lines_alone() -> None:
    """Only `__main__` and `commands` import it: the domain can be read and used without any command line."""
    places = {
        path.relative_to(ROOT).parts[1]
        for package in ("sentiment_api", "sentiment_train", "drift_jobs")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"^(from|import) typer", path.read_text(), re.MULTILINE)
    }
    assert places == {"__main__.py", "commands"}


@of_each_page
def test_a_link_leads_somewhere(page: Path) -> None:
    """Files that a page links to exist, and so do the headings."""
    broken = []
    for path, anchor in _LINK.findall(page.read_text()):
        if path.startswith(("http:", "https:")):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
            broken.append(f"{path}#{anchor}")
    assert broken == []

"""Imports of what a command does its work with: made when the work begins, so that `--help` needs none of it.

torch, transformers and polars take seconds to import, and are missing where only the service is installed.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from types import ModuleType

from sentiment_api.errors import PackageMissing

_OURS = ("sentiment_api", "sentiment_train")


@contextmanager
def lazy_imports() -> Iterator[None]:
    """Let the modules of this project that are imported inside be loaded at the first use of one of their names.

    Import modules and not names of them: `from sentiment_train.fitting import fit`. Where a library is missing then,
    PackageMissing says what to install.
    """
    finder = _LazyFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        # Left there they would be loaded by whoever looks through all modules, as torch does while it is loaded itself.
        for name in finder.found:
            del sys.modules[name]
            package, _, module = name.rpartition(".")
            delattr(sys.modules[package], module)


class _LazyFinder(MetaPathFinder):
    """Finds the modules of this project that are not loaded yet."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        """Return a spec whose module stands in for the real one; None for packages, and for modules of others."""
        del target
        spec = PathFinder.find_spec(fullname, path) if _top(fullname) in _OURS else None
        if spec is None or spec.submodule_search_locations is not None:
            return None
        self.found.append(fullname)
        return spec_from_loader(fullname, _LazyLoader())


class _LazyLoader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _LazyModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing yet."""


class _LazyModule(ModuleType):
    """Stands in for a module until one of its names is used."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # what the import itself asks for
            raise AttributeError(name)
        try:
            return getattr(import_module(self.__name__), name)
        except ModuleNotFoundError as error:
            library = _top(error.name or __name__)
            if library in _OURS:
                raise
            raise PackageMissing(f"this command needs {library}, which is not installed: make install-train") from error


def _top(name: str) -> str:
    return name.partition(".")[0]

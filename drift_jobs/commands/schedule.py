"""`schedule`: a process that judges every night."""

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable

from drift_jobs.commands.endings import failure_line, until_done
from drift_jobs.commands.nightly import ask_golden, maintain
from drift_jobs.commands.output import OutcomePrinter, outcome_printer
from drift_jobs.nights.cron import cron_trigger, run_schedule, was_due
from drift_jobs.nights.night import is_done, judge_night
from drift_jobs.nights.plan import JudgingPlan, plan_of
from drift_jobs.settings import DriftSettings
from drift_jobs.windows import day_window, yesterday
from sentiment_api.database.connection import connected

logger = logging.getLogger("drift_jobs")


def schedule(settings: DriftSettings, reference: str, cron: str) -> None:
    """Judge every night at the times of `cron` until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for name in ("apscheduler", "httpx"):  # they announce every step, and httpx each address with its key
        logging.getLogger(name).setLevel(logging.WARNING)
    # A wrong folder, reference or expression is found now and not at night.
    plan = plan_of(settings, reference)
    trigger = cron_trigger(cron, plan.zone)
    now = dt.datetime.now(dt.UTC)
    missed = was_due(trigger, _last_night_end(plan, now), now)
    until_done(run_schedule(trigger, _nights(settings, plan, may_skip=missed), _announce, at_once=missed))


def _nights(settings: DriftSettings, plan: JudgingPlan, *, may_skip: bool) -> Callable[[], Awaitable[None]]:
    """Return the job. Whatever happens to one night, the next one gets its turn.

    The first night is skipped, with `may_skip`, when it has runs of all its model versions: then it was not missed.
    """
    first = [may_skip]

    async def night() -> None:
        skippable, first[0] = first[0], False
        try:
            await _night(settings, plan, skippable=skippable)
        except asyncio.CancelledError:
            logger.warning("the night was stopped; the next start judges it, unless its run is stored")
            raise
        except Exception as error:  # noqa: BLE001 - as above
            logger.error("could not be judged: %s", failure_line(error))

    return night


async def _night(settings: DriftSettings, plan: JudgingPlan, *, skippable: bool) -> None:
    end = _last_night_end(plan, dt.datetime.now(dt.UTC))
    printer = outcome_printer(settings, _log_progress, logger.info, logger.error)
    if skippable and await _is_done(settings, plan, end, printer):
        logger.info("the night that ended at %s was judged before", end.astimezone(plan.zone))
        return
    await maintain(settings, printer)
    golden = await ask_golden(settings, plan, printer)
    async with connected(settings) as engine:
        night = judge_night(engine, plan, yesterday(end, plan.zone), printer.tell, golden)
        await printer.report(engine, night)


async def _is_done(settings: DriftSettings, plan: JudgingPlan, end: dt.datetime, printer: OutcomePrinter) -> bool:
    """Return whether the night was judged before; then what is still owed of alarms is posted here."""
    async with connected(settings) as engine:
        done = await is_done(engine, plan, yesterday(end, plan.zone))
        if done:
            await printer.post_late(engine)
    return done


def _last_night_end(plan: JudgingPlan, now: dt.datetime) -> dt.datetime:
    return day_window(yesterday(now, plan.zone), plan.zone).end


def _announce(first: dt.datetime) -> None:
    logger.info("scheduled; the next run is at %s", first)


def _log_progress(what: str, done: int, total: int) -> None:
    if done == 0:
        logger.info("%s (%s)", what, f"{total:,}")

"""What ratings are, guessed from their values and said: stars on a scale, or interactions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from hf_cf.data.scale import LIKES, RatingScale, Stars, distinct
from hf_cf.errors import InvalidArgument

Feedback: TypeAlias = Literal["explicit", "implicit"]
"""Stars that people gave, or how often or long they chose something."""

_FAR_BEYOND = 100  # no scale of stars, points or percent reaches further
_FAR_APART = 5  # times the span of all other values
_FEW_RATINGS = 1_000  # below it, the top of a scale may not have been given yet
# Low end, high end and step of the usual scales; the first that holds all values is taken.
_USUAL = ((1, 5, 1), (0.5, 5, 0.5), (0, 5, 1), (1, 10, 1), (0, 10, 1), (0.5, 10, 0.5))


def checked_strengths(
    values: Stars | None,
    n: int,
    wanted: str | None,
    scale: Any,
    check: Callable[[npt.NDArray[np.bool_], str], None],
) -> tuple[Stars, Feedback, RatingScale]:
    """Ratings or strengths of n interactions, which of both they are, and their scale.

    Parameters
    ----------
    values : float32 array, shape (n,), optional
        Finite; None where there is no column of ratings, which makes each row a like.
    n : int
    wanted, scale
        What the caller says of them, as `read_feedback` and `read_scale` take it.
    check : callable
        Takes which values are wrong, bool, shape (n,), and why; raises if any is.
    """
    feedback = read_feedback(values, wanted)
    stars = np.ones(n, np.float32) if values is None else values
    if feedback == "implicit":
        check(stars < 0, "is no strength of an interaction, which is at least 0")
        return stars, feedback, LIKES
    found = read_scale(stars, scale)
    if scale is not None:
        outside = (stars < found.min) | (stars > found.max)
        check(outside, f"is not a rating from {found.min:g} to {found.max:g}")
    return stars, feedback, found


def read_feedback(values: Stars | None, wanted: str | None) -> Feedback:
    """Say whether values are stars or strengths of interactions; `wanted` decides where given.

    Parameters
    ----------
    values : float32 array, shape (n,), optional
        None where there is no column of ratings.
    wanted : {"explicit", "implicit"}, optional
        What the caller says.
    """
    if wanted is not None:
        if wanted not in ("explicit", "implicit"):
            raise InvalidArgument(f"feedback={wanted!r}; choose from explicit, implicit")
        if values is None and wanted == "explicit":
            raise InvalidArgument("feedback='explicit' needs a column of ratings")
        return "explicit" if wanted == "explicit" else "implicit"
    levels = None if values is None else distinct(values)
    why = None
    if levels is None:
        why = "there is no column of ratings, so each row is taken as a like"
    elif len(levels) == 1:
        why = f"all ratings are {levels[0]:g}, so they are taken as likes"
    elif len(levels) and levels[0] >= 0 and _are_integers(levels) and _reach_far(levels):
        why = (
            f"ratings are integers up to {levels[-1]:,.0f}, so they are taken as strengths, "
            "such as how often something was played"
        )
    if why is None:
        return "explicit"
    _say(f"{why}; refuse that with feedback='explicit'")
    return "implicit"


def read_scale(stars: Stars, wanted: Any = None) -> RatingScale:
    """The scale of stars: the one that is `wanted`, or one of the usual ones that holds them all.

    Parameters
    ----------
    stars : float32 array, shape (n,)
        At least one.
    wanted : RatingScale or (low, high) or (low, high, step), optional

    Raises
    ------
    InvalidArgument
        A wanted scale is none.
    """
    if wanted is not None:
        return wanted if isinstance(wanted, RatingScale) else _as_scale(wanted, stars)
    levels = distinct(stars)
    seen = RatingScale.infer(levels)
    _say_what_stands_apart(levels)
    usual = _usual(levels, len(stars))
    if usual is None or usual == seen:
        return seen
    _say(
        f"ratings go from {seen.min:g} to {seen.max:g}; the scale is taken to be {usual.min:g} to "
        f"{usual.max:g} in steps of {usual.step:g}; say another with scale=(LOW, HIGH, STEP)"
    )
    return usual


def _usual(levels: Stars, n: int) -> RatingScale | None:
    """The usual scale that n ratings of these different values are on, if any."""
    least, most = levels[0], levels[-1]
    for low, high, step in _USUAL:
        steps = (levels - np.float32(low)) / np.float32(step)
        fits = least >= low and most <= high and _are_integers(steps)
        if not fits or (low == 0 and least > 0):
            continue
        # If many ratings never reach the top of a usual scale, they are on another scale.
        reached = most == high or n < _FEW_RATINGS
        # A scale that starts at 0 and ends early, such as 0 to 2, is one of its own.
        if reached and not (least == 0 and most < high):
            return RatingScale(low, high, step)
    return None


def _say_what_stands_apart(values: Stars) -> None:
    if len(values) < 3:
        return
    for apart, others in ((values[-1], values[:-1]), (values[0], values[1:])):
        span = max(1.0, float(others[-1] - others[0]))
        if abs(apart - (others[-1] if apart > others[-1] else others[0])) > _FAR_APART * span:
            _say(
                f"{apart:g} stands apart from the other ratings, {others[0]:g} to {others[-1]:g}; "
                f"if it means that there is no rating, leave it out with missing={apart:g}"
            )


def _as_scale(wanted: Any, stars: Stars) -> RatingScale:
    try:
        low, high, *rest = (float(value) for value in wanted)
        step = rest[0] if rest else RatingScale.infer(np.append(stars, [low, high])).step
        fine = low < high and 0 < step <= high - low and len(rest) < 2
    except (TypeError, ValueError):
        fine = False
    if not fine:
        raise InvalidArgument(f"scale={wanted!r}; give (low, high) or (low, high, step)")
    return RatingScale(low, high, float(step))


def _reach_far(values: Stars) -> bool:
    """Whether some values lie beyond every usual scale, and are no code for a missing rating."""
    beyond = values[values > _FAR_BEYOND]
    return bool(len(beyond)) and not np.isin(beyond, (999, 9999)).all()


def _are_integers(values: npt.NDArray[Any]) -> bool:
    return bool((values == np.rint(values)).all())


def _say(message: str) -> None:
    warnings.warn(message, stacklevel=5)

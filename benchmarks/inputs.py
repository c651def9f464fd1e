"""Input files, made anew each time from a seed: questions as GSM8K has them, with their worked answers."""

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_NAMES = ("Janet", "Toulouse", "Kylar", "Carla", "Wendi", "Josh", "Eliza", "Raymond", "Melanie", "Darrell")
_THINGS = (
    "duck eggs",
    "glasses",
    "sheep",
    "cups of feed",
    "bolts of fiber",
    "files",
    "toys",
    "vacuum cleaners",
)
_PLACES = ("farmers' market", "bakery", "shop on the corner", "school fair", "summer camp", "train station")


def questions(count: int, seed: int = 1) -> Iterator[dict[str, str]]:
    """Yield rows of question and answer, about 270 and 190 characters long, no two alike."""
    rng = random.Random(seed)
    for number in range(count):
        name, thing, place = rng.choice(_NAMES), rng.choice(_THINGS), rng.choice(_PLACES)
        had, used, given, price = (
            rng.randint(20, 90),
            rng.randint(1, 9),
            rng.randint(1, 9),
            rng.randint(2, 12),
        )
        sold = had - used - given
        yield {
            "question": (
                f"On day {number} {name} has {had} {thing}. {name} needs {used} of them every morning before work and "
                f"gives {given} of them to friends who live next door. The remainder is sold at the {place} in the "
                f"afternoon for ${price} for each of them. How much in dollars does {name} make that day at the {place}?"
            ),
            "answer": (
                f"{name} sells {had} - {used} - {given} = <<{had}-{used}-{given}={sold}>>{sold} {thing} on that day.\n"
                f"{name} makes {sold} * {price} = $<<{sold}*{price}={sold * price}>>{sold * price} at the {place}.\n"
                f"#### {sold * price}"
            ),
        }


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write rows as JSONL, one at a time: this process stays small, so that it hides nobody's memory."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def write_questions(folder: Path, count: int) -> Path:
    """Write a file of questions."""
    return write_rows(folder / f"questions-{count}.jsonl", questions(count))

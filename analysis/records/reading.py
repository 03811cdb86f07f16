"""Files of unknown origin, read with bounds: whatever is in them, a `RecordError` names the file and the field."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

__all__ = [
    "RecordError",
    "UnfinishedRunError",
    "check_files",
    "name_in",
    "parse_object",
    "printable",
    "read_bytes",
    "read_text",
    "unsealed",
    "whole_number_in",
]

MOST_JSON_BYTES = 1 << 26  # configurations, environments, comparisons
MOST_METRICS_BYTES = 1 << 30
LONGEST_NAME = 200  # characters of an arm's or a benchmark's name
LONGEST_QUOTE = 80
FINISHED = "finished.json"
SEAL = "seal"
DECODING_FOLDER = "decoding"


class RecordError(ValueError):
    """A record that contradicts its format or the other records; says which file, what was found and the remedy."""


class UnfinishedRunError(RecordError):
    """A run that has not reached its last evaluation: a comparison lists it and goes on without it."""


def printable(text: str, longest: int = 10_000) -> str:
    """The text as it may be printed: control characters and escape sequences in the form ``\\x1b``, bounded."""
    text = text if len(text) <= longest else f"{text[:longest]} … ({len(text)} characters)"
    return "".join(
        letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def quoted(value: Any) -> str:
    """A value as messages show it: its repr, printable and short."""
    return printable(repr(value) if not isinstance(value, str) else repr(value[: 2 * LONGEST_QUOTE]), LONGEST_QUOTE)


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a plain file.

    Raises:
        UnfinishedRunError: there is none.
        RecordError: it is no file, cannot be read, or has more than `most` bytes.
    """
    if not path.exists():
        raise UnfinishedRunError(f"{path.name} is missing in {path.parent}; resume the run or remove the folder")
    if not path.is_file():
        raise RecordError(f"{path}: is a folder or a device; expected a file; put the file back or remove the run")
    try:
        size = path.stat().st_size
        if size > most:
            raise RecordError(f"{path}: has {size} bytes; expected at most {most}; rerun what wrote it")
        return path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); give the right to read it") from error


def read_text(path: Path, most: int = MOST_JSON_BYTES) -> str:
    """The text of a file in UTF-8; raises as `read_bytes`.

    Raises:
        UnfinishedRunError: it was cut short within a character.
        RecordError: it is in no UTF-8.
    """
    content = read_bytes(path, most)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise UnfinishedRunError(f"{path}: not JSON (it ends within a character); rerun what wrote it") from error
        raise RecordError(
            f"{path}: byte {error.start} ({content[error.start]:#04x}) is no UTF-8; expected text in UTF-8; put back a "
            "copy, or rerun what wrote it"
        ) from error


def parse_object(text: str, where: str, *, cut_short: type[RecordError] = UnfinishedRunError) -> dict[str, Any]:
    """The JSON object in a text.

    Args:
        text: what was read.
        where: file, and line where there are several, for messages.
        cut_short: what is raised where it is not JSON: half a file is that of an unfinished run.

    Raises:
        RecordError: it is not JSON, nested too deeply, with a number too long, or not an object.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise cut_short(f"{where}: not JSON ({error}); expected one object; rerun what wrote it") from error
    except RecursionError as error:
        raise RecordError(f"{where}: nested too deeply; expected one object; rerun what wrote it") from error
    except ValueError as error:  # an integer of more digits than Python reads
        raise RecordError(f"{where}: {printable(str(error), LONGEST_QUOTE)}; expected numbers of 64 bits") from error
    if not isinstance(content, dict):
        raise RecordError(f"{where}: holds a {type(content).__name__}; expected one JSON object; rerun what wrote it")
    return content


def unsealed(content: dict[str, Any], where: str) -> dict[str, Any]:
    """A JSON object without its seal, the SHA-256 of the rest; one without a seal, of earlier versions, as it is.

    Raises:
        RecordError: the seal is not that of the rest.
    """
    rest = {name: item for name, item in content.items() if name != SEAL}
    if SEAL in content:
        found = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
        if found != content[SEAL]:
            raise RecordError(
                f"{where}: is not what was written: its SHA-256 is {found}, {SEAL} is {quoted(content[SEAL])}; put "
                "back a copy, or start the same command again"
            )
    return rest


def whole_number_in(record: dict[str, Any], key: str, where: str) -> int:
    """A whole number of 64 bits.

    Raises:
        RecordError: it is anything else: NaN, Infinity, null, a text, a list.
    """
    value = record.get(key)
    number = int(value) if isinstance(value, float) and math.isfinite(value) else value
    if not isinstance(number, int) or isinstance(number, bool) or number != value or not -(1 << 63) <= number < 1 << 63:
        raise RecordError(f"{where}: {key} is {quoted(value)}; expected a whole number of 64 bits; mend the file")
    return number


def name_in(record: dict[str, Any], key: str, where: str) -> str:
    """A name that can be printed: a text of 1 to 200 characters without control characters.

    Raises:
        RecordError: it is anything else.
    """
    value = record.get(key)
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= LONGEST_NAME:
        raise RecordError(
            f"{where}: {key} is {quoted(value)}; expected a text of 1 to {LONGEST_NAME} printable characters; mend the "
            "file"
        )
    return value


def check_files(folder: Path) -> None:
    """Files of a finished run against the SHA-256 in its ``finished.json``, ``{"sha256": {name: digest}}``.

    Nothing is checked where there is no such file or it holds no digests, as in runs of earlier versions.

    Raises:
        RecordError: ``finished.json`` is not what a run of ours writes.
        UnfinishedRunError: a file is missing, or is not what it was when the run ended.
    """
    path = folder / FINISHED
    if not path.exists():
        return
    digests = unsealed(parse_object(read_text(path), str(path)), str(path)).get("sha256")
    if digests is None:
        return
    if not isinstance(digests, dict):
        raise RecordError(f"{path}: sha256 is {quoted(digests)}; expected digests by file name; rerun the run")
    for name, digest in digests.items():
        parts = Path(name).parts
        file = folder.joinpath(*parts[-2 if parts[:-1] == (DECODING_FOLDER,) else -1 :])  # nothing outside the run
        try:
            with file.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
            found = f"that of no file ({printable(str(error), LONGEST_QUOTE)})"
        if found != digest:
            raise UnfinishedRunError(
                f"{printable(str(file), 300)} is not what it was when the run finished: its SHA-256 is {found[:64]}, "
                f"{FINISHED} has {quoted(digest)}; put back a copy, or start the same command again, which makes anew "
                "what is damaged"
            )

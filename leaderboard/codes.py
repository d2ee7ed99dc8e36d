"""All that `check` may say, each under one name with its remedy: the closed list of which the docs' table is made.

A code that refuses is found before a submission enters a board; a flag is shown beside an entry and refuses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cpbench.errors import UserError

AGAIN = "cpbench leaderboard submit RUN again"


@dataclass(frozen=True)
class Code:
    """One thing that may be found."""

    means: str
    mend: str
    refuses: bool = True


@dataclass(frozen=True)
class Finding:
    """What was found in one submission."""

    code: str
    what: str
    mend: str
    fatal: bool  # refuses it; else a flag

    def plain(self) -> dict[str, str | bool]:
        """As `check --json` prints it."""
        return {"code": self.code, "what": self.what, "mend": self.mend, "fatal": self.fatal}


REFUSALS: Mapping[str, Code] = {
    # what lies there
    "unreadable": Code("no folder, no zip, or not to be read", "give the folder that submit wrote, or a zip of it"),
    "file_missing": Code("one of the three files is not there", AGAIN),
    "file_unknown": Code("a file that is none of a submission's", "hand in the three files alone"),
    "file_link": Code("a link, or something that is no plain file", "copy the file itself into the folder"),
    "too_large": Code("a file is larger than any honest one", "hand in what submit wrote; long outputs are not scored"),
    "zip_path": Code("a name in the zip leads out of its folder", "zip the three files by themselves"),
    "zip_broken": Code("the zip is damaged, encrypted, or holds a name twice", "zip the three files anew"),
    # how it is written
    "encoding": Code("not UTF-8, or a byte order mark", "hand in what submit wrote, byte for byte"),
    "json": Code("not JSON: NaN, infinite, torn, or nested too deeply", "hand in what submit wrote, byte for byte"),
    "not_canonical": Code(
        "JSON of another spelling: spaces, order, a key twice, or lines out of order",
        "hand in what submit wrote; an editor or git may have changed line ends (.gitattributes: * -text)",
    ),
    "schema_old": Code("of an older version of the schema", "install this cpbench, then " + AGAIN),
    "schema_new": Code("of a newer version of the schema", "the board needs a newer cpbench"),
    "schema": Code("a field is missing, unknown, or not what the schema says", "cpbench leaderboard schema shows it"),
    "predictions_hash": Code("predictions.jsonl is not the file that submission.json names", AGAIN),
    "judgements_hash": Code("judgements.jsonl is not the file that submission.json names", AGAIN),
    # what was answered
    "dataset_unknown": Code(
        "the board does not know this set", "the board's maintainer adds the set; or answer the board's version of it"
    ),
    "dataset_differs": Code("what is said of the set is not what the board knows of it", AGAIN),
    "prompt_differs": Code(
        "the questions were worded otherwise than the task words them", "run the task as it is, then submit"
    ),
    "condition_unranked": Code(
        "the ranked condition changes what is heard, or tells the answer",
        "cpbench run --condition audio (or the tags that the model was made for), then submit",
    ),
    "item_unknown": Code("an answer to an item that the set does not have", AGAIN),
    "item_doubled": Code("two answers to one item under one condition", AGAIN),
    "item_missing": Code("an item without an answer", "cpbench run, the same command again, then submit"),
    "answers_failed": Code(
        "more than one in a hundred answers failed", "mend what failed; cpbench run asks those items again"
    ),
    # how it was judged
    "judge_absent": Code("judgements without a judge, or a judge without judgements", AGAIN),
    "judge_differs": Code("judge_id is not the digest of what the judge is said to be", AGAIN),
    "judgement_unknown": Code("a judgement of no answer in this submission, or one too many", AGAIN),
    "judgement_doubled": Code("two judgements of one answer under one repeat", AGAIN),
    "judgement_missing": Code(
        "an answer that was not judged as often as is said", "cpbench judge run RUN, then submit"
    ),
    "judgement_unbound": Code("a judgement of another answer, by another judge, or of another item", AGAIN),
    "judgement_impossible": Code("a score that this judge cannot give to this answer", AGAIN),
    "judge_coverage": Code(
        "fewer than 99 of 100 answers have a judge's score", "cpbench judge run RUN asks for the missing, then submit"
    ),
    # what came out
    "metric_unknown": Code("the set has a metric that this cpbench does not", "install what defines the metric"),
    "nothing_ranked": Code(
        "neither a label metric nor a judge: nothing to rank by", "cpbench judge run RUN --judge SPEC"
    ),
    "score_mismatch": Code("a score is not what its answers and judgements give, to 1e-6", AGAIN),
    "score_set": Code("scores that do not belong there, or some that are missing", AGAIN),
    "signature": Code(
        "the signature is of another file, or of nobody whom the board allows", "sign again: submit --sign"
    ),
}

FLAGS: Mapping[str, Code] = {
    "no_board": Code("checked without a board: nothing was scored again", "--board DIR", False),
    "gold_copies": Code("answers are references, word for word", "the board's maintainer looks at them", False),
    "hedging": Code("many answers name several labels", "none; such answers count as wrong in label metrics", False),
    "injection": Code("answers speak to the judge", "the board's maintainer looks at them, and judges again", False),
    "near_duplicate": Code("nearly the same answers as another entry", "say in what the systems differ", False),
    "same_name": Code("another entry of this set has the same system name", "--name, with a version in it", False),
    "trained_on": Code("the system was trained on what it is evaluated on", "none; it is shown", False),
    "trained_on_unknown": Code("nobody says whether it was trained on the set", "--trained-on-eval yes or no", False),
    "leaked": Code("the prompt gives away answers", "none; it is shown, and those scores are marked", False),
    "answers_missing": Code("some answers failed; they are in no score", "cpbench run asks them again", False),
    "judgements_failed": Code("some judgements have no score", "cpbench judge run RUN asks for them again", False),
    "simulated_judge": Code("a simulated judge: no LLM has judged anything", "cpbench judge run --judge SPEC", False),
    "same_family": Code("judge and system are of one family: it may favour its own kind", "another judge", False),
    "validity_differs": Code(
        "the judge's validity card is not the one that the board has of it",
        "the board's maintainer looks at both; the board shows its own",
        False,
    ),
    "judge_unproven": Code(
        "the judge does not say what makes its judge_id",
        "cpbench judge run RUN with the same judge, then submit",
        False,
    ),
    "unsigned": Code("the board knows signers, and this is not signed", "submit --sign KEY", False),
}

CODES: Mapping[str, Code] = {**REFUSALS, **FLAGS}


class Refused(UserError):
    """A finding that ends the reading of a submission."""

    exit_code = 3

    def __init__(self, code: str, what: str) -> None:
        self.finding = finding(code, what)
        super().__init__(f"{code}: {what}", mend=self.finding.mend)


def finding(code: str, what: str) -> Finding:
    """What was found, with the code's remedy. Raises KeyError for a code that the list does not have."""
    return Finding(code, what, CODES[code].mend, CODES[code].refuses)


def table(codes: Mapping[str, Code]) -> str:
    """The codes as a Markdown table, for the docs."""
    rows = [f"| `{name}` | {code.means} | {code.mend} |" for name, code in codes.items()]
    return "\n".join(["| code | means | remedy |", "|---|---|---|", *rows, ""])

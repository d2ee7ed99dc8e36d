"""cpbench leaderboard check"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cpbench.leaderboard.check import Checked

REFUSED = 3


@click.command(name="check")
@click.argument("submission", type=click.Path(path_type=Path), metavar="DIR|ZIP")
@click.option("--board", type=click.Path(path_type=Path), metavar="DIR", help="The board that it is for.")
@click.option("--json", "as_json", is_flag=True, help='Print what was found: a list of {"code", "what", "mend"}.')
def command(submission: Path, board: Path | None, as_json: bool) -> None:
    """Check a submission as a board does, cheapest first: files, schema, hashes, items, judgements, every score.

    With --board its scores are computed again from what the board knows of the set, and its answers are held against
    the board's other entries. Nothing is written. Exit codes: 0 fine (flags refuse nothing), 3 refused.

    \b
      cpbench leaderboard check submission/cpqa_human --board board
    """
    import json

    from cpbench.errors import UsageError
    from cpbench.leaderboard.check import check

    if not submission.exists():
        raise UsageError("no such folder or zip:", value=str(submission))
    if board is not None and not board.is_dir():
        raise UsageError("no such board:", value=str(board), mend=f"cpbench leaderboard init --board {board}")
    checked = check(submission, board)
    if as_json:
        click.echo(json.dumps([one.plain() for one in checked.findings], indent=1, ensure_ascii=False))
    else:
        _show(submission, checked)
    if not checked.accepted:
        raise SystemExit(REFUSED)


def _show(path: Path, checked: Checked) -> None:
    for one in checked.findings:
        click.echo(f"{'refused' if one.fatal else 'flag'}: {one.code}: {one.what}\n  try: {one.mend}")
    if not checked.accepted:
        click.echo(f"{path.name} is refused")
    elif checked.scores:
        click.echo(f"{path.name} is accepted: {len(checked.scores)} scores computed again, and all are as claimed")
    else:
        click.echo(f"{path.name} is well formed")
    if checked.signer:
        click.echo(f"signed by {checked.signer}")

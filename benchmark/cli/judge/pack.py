"""cpbench judge pack"""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="pack")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The folder of the pack.")
@click.option("--seed", type=int, default=0, help="Of the split by recording, the probes and the repeats. Default: 0.")
@click.option("--compress", is_flag=True, help="Gzip the items and the answers.")
@click.option("--json", "as_json", is_flag=True, help="Print pack.json.")
def command(*, runs: tuple[Path, ...], out: Path, seed: int, compress: bool, as_json: bool) -> None:
    """Make a pack: the items of some runs whose label is known, and what each run's model answered.

    The runs are of the same data, asked in the same words; eight systems of three families or more, each with 110 wrong
    answers or more in each half, carry every verdict. Null baselines, systems that repeat the question and near-copies
    of another system are kept, shown and not counted. A pack holds no audio.

    \b
      cpbench judge pack runs/a runs/b runs/c --out packs/emotion
    """
    from cpbench.judges.validity.packs import make_pack, write_pack
    from cpbench.runfolder import load_run

    pack = make_pack([load_run(run) for run in runs], seed=seed)
    write_pack(pack, out, compress=compress)
    if as_json:
        click.echo((out / "pack.json").read_text(encoding="utf-8"), nl=False)
        return
    gate, families = pack.part("gate"), {system.family for system in pack.counted}
    click.echo(f"{out}: pack {pack.pack_id[:12]}, {len(pack.items)} items, of which {len(gate)} in the gate part")
    click.echo(f"{len(pack.counted)} systems of {len(families)} families count")
    for system in pack.systems:
        if not system.counted:
            click.echo(f"  {system.name} does not: {system.why_not}")
    for warning in pack.warnings(gate):
        click.echo(f"! {warning}", err=True)

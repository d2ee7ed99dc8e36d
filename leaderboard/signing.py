"""Signatures of submissions by `ssh-keygen -Y`: with the key that its maker already has for git.

`submission.json` is signed, which names the two other files by their sha256. A board's allowed signers are a file in
ssh-keygen's own format (`man ssh-keygen`, ALLOWED SIGNERS): `somebody@lab.org ssh-ed25519 AAAA...`, one a line.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from cpbench.errors import UserError
from cpbench.leaderboard.codes import Refused
from cpbench.leaderboard.reading import SIGNATURE, SUBMISSION

NAMESPACE = "cpbench-submission"  # so that no signature made for anything else counts
_SECONDS = 60  # an agent may ask its user


def sign(folder: Path, key: Path) -> Path:
    """Sign the submission in a folder, and return the signature's path. ssh-keygen asks for the key's passphrase.

    Raises UserError where there is no ssh-keygen, or it refuses.
    """
    (folder / SIGNATURE).unlink(missing_ok=True)
    done = _call(["sign", "-n", NAMESPACE, "-f", str(key.expanduser()), str(folder / SUBMISSION)])
    if done.returncode != 0 or not (folder / SIGNATURE).is_file():
        raise UserError(f"ssh-keygen does not sign: {_said(done)}", value=str(key), mend="--sign ~/.ssh/id_ed25519")
    return folder / SIGNATURE


def signer(data: bytes, signature: bytes, signers: Path) -> str:
    """Return who of the allowed signers signed submission.json. Raises Refused where none did."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / SIGNATURE
        file.write_bytes(signature)
        found = _call(["find-principals", "-s", str(file), "-f", str(signers)])
        names = found.stdout.decode("utf-8", "replace").splitlines()
        if found.returncode != 0 or not names:
            raise Refused("signature", "it is of a key that is not among the board's signers")
        words = ["verify", "-f", str(signers), "-I", names[0], "-n", NAMESPACE, "-s", str(file)]
        done = _call(words, data)
    if done.returncode != 0:
        raise Refused("signature", f"it is not {ascii(names[0])[1:-1][:200]}'s of this submission.json")
    return names[0]


def _call(words: list[str], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise UserError("signatures need ssh-keygen, which is not here", mend="install OpenSSH's client")
    try:
        return subprocess.run([program, "-Y", *words], input=data, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise UserError(f"ssh-keygen says nothing for {_SECONDS} s") from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"

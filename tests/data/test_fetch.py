"""`cpbench data fetch` against a local server that plays the Hub, each time in a process of its own: the Hub's client
reads its environment when it is imported."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from urllib.parse import urlsplit

import pytest

COMMIT = "a" * 40
FILES = {"README.md": b"# MELD\n", "data/test-00000-of-00001.parquet": b"PAR1" * 500}
MELD = "AudioLLMs/meld_emotion_test"
GATED, GONE, NO_REVISION = "MERaLiON/CPQA-Evaluation-Set", "AudioLLMs/iemocap_emotion_recognition", "IHP-Lab/VoxParadox"
MODEL = "someone/tiny-model"
MODEL_FILES = {"config.json": b"{}", "model.safetensors": b"1234", "pytorch_model.bin": b"never wanted"}
REFUSALS = {GATED: (403, "GatedRepo"), GONE: (404, "RepoNotFound"), NO_REVISION: (404, "RevisionNotFound")}


class Hub(http.server.BaseHTTPRequestHandler):
    """The three calls of `snapshot_download`: the revision's commit, its tree, each file."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = urlsplit(self.path).path.strip("/")
        self.server.asked[f"{self.command} {path}"] += 1
        if self.server.down:
            return self.say(self.server.down, b"{}")
        for repo, (status, code) in REFUSALS.items():
            if repo in path:
                return self.say(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})
        files, kind = (MODEL_FILES, "models") if MODEL in path else (FILES, "datasets")
        repo = MODEL if MODEL in path else MELD
        if path.startswith(f"api/{kind}/{repo}/revision/"):
            return self.say(200, json.dumps({"id": repo, "sha": COMMIT, "siblings": []}).encode())
        if path.startswith(f"api/{kind}/{repo}/tree/{COMMIT}"):
            tree = [{"type": "file", "path": name, "size": len(data), "oid": oid(data)} for name, data in files.items()]
            return self.say(200, json.dumps(tree).encode())
        name = path.partition(f"resolve/{COMMIT}/")[2]
        if name in files:
            data = files[name]
            return self.say(200, data, {"ETag": f'"{oid(data)}"', "X-Repo-Commit": COMMIT})
        return self.say(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    do_HEAD = do_GET

    def say(self, status, body, headers=()):
        self.send_response(status)
        for key, value in dict(headers).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def oid(data):
    return hashlib.sha1(data).hexdigest()


@pytest.fixture
def hub():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked, server.down = Counter(), None
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetch(cpbench, tmp_path, hub):
    """fetch(*arguments, offline=False) -> the finished `cpbench data fetch`, its Hub the local server."""

    def call(*arguments, offline=False):
        return cpbench("data", "fetch", *arguments, env=environment(tmp_path, hub, offline=offline))

    return call


def environment(folder, hub, *, offline):
    return {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}",
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_OFFLINE": "1" if offline else "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "NO_PROXY": "127.0.0.1",
    }


def snapshot_of(tmp_path, repo=MELD, kind="datasets"):
    return tmp_path / "hf/hub" / f"{kind}--{repo.replace('/', '--')}" / "snapshots" / COMMIT


def test_one_that_comes_and_three_that_do_not(fetch, tmp_path):
    done = fetch("emotion_meld", "cpqa_human", "emotion_iemocap", "voxparadox")
    assert done.returncode == 1
    assert done.stdout.strip() == f"emotion_meld: {MELD}, 0.0 MB in {snapshot_of(tmp_path)}"
    assert {
        str(path.relative_to(snapshot_of(tmp_path))): path.read_bytes() for path in snapshot_of(tmp_path).rglob("*.*")
    } == FILES
    assert f"cpqa_human: its owner has to let you in first: '{GATED}@main'" in done.stderr
    assert f"datasets/{GATED}, then: hf auth login" in done.stderr
    assert (
        f"emotion_iemocap: the Hub has no such dataset, or shows it to its members only: '{GONE}@main'" in done.stderr
    )
    assert f"voxparadox: the Hub has no such revision: '{NO_REVISION}@main'" in done.stderr
    assert "3 of the repositories did not come" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_fetched_is_there_offline_without_a_socket(fetch, hub, tmp_path):
    assert fetch("emotion_meld").returncode == 0
    hub.asked.clear()
    code = (
        "import socket, sys\n"
        "def no(*a, **k): raise SystemExit('a socket was opened')\n"
        "socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = no\n"
        "from cpbench.formats import hub\n"
        f"print(hub.snapshot({MELD!r}, 'main'))\n"
        "from cpbench.cli import main\n"
        "main(['data', 'fetch', 'emotion_meld', 'voxparadox'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment(tmp_path, hub, offline=True)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[0] == str(snapshot_of(tmp_path))
    assert "emotion_meld: " in done.stdout
    assert "voxparadox: not in the Hub's cache on this machine, and HF_HUB_OFFLINE is set:" in done.stderr
    assert "try: on a connected machine with the same HF_HOME: cpbench data fetch voxparadox" in done.stderr
    assert done.returncode == 1
    assert not hub.asked


def test_what_is_there_is_not_fetched_again(fetch, hub):
    fetch("emotion_meld")
    files = [call for call in hub.asked if "/resolve/" in call and call.startswith("GET")]
    assert len(files) == len(FILES)
    hub.asked.clear()
    assert fetch("emotion_meld").returncode == 0
    assert not [call for call in hub.asked if call.startswith("GET") and "/resolve/" in call]


def test_a_model_without_its_weights_in_other_formats(fetch, tmp_path):
    done = fetch("--model", f"hf/{MODEL}@main")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in snapshot_of(tmp_path, MODEL, "models").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


def test_a_hub_that_is_down(fetch, hub):
    hub.down = 500
    done = fetch("emotion_meld")
    assert done.returncode == 1
    assert "500" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hub_that_is_not_there(cpbench, tmp_path, hub):
    nowhere = {**environment(tmp_path, hub, offline=False), "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = cpbench("data", "fetch", "emotion_meld", env=nowhere)
    assert done.returncode == 1
    assert "the Hub at http://127.0.0.1:9 cannot be reached" in done.stderr
    assert "on a connected machine with the same HF_HOME: cpbench data fetch emotion_meld" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cache_that_cannot_be_written(cpbench, tmp_path, hub):
    (tmp_path / "file").touch()
    done = cpbench(
        "data",
        "fetch",
        "emotion_meld",
        env={**environment(tmp_path, hub, offline=False), "HF_HOME": f"{tmp_path}/file"},
    )
    assert done.returncode == 1
    assert f"{tmp_path}/file/hub cannot be written (" in done.stderr
    assert "try: export HF_HOME=FOLDER" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["emotion_mled"], 2, "unknown task 'emotion_mled' (did you mean 'emotion_meld'?)"),
        (["emotion_emodb"], 1, "emotion_emodb is not on the Hub"),
        (["--model", "a b/c"], 1, "not the id of a repository on the Hub, OWNER/NAME: 'a b/c'"),
    ],
)
def test_what_cannot_be_fetched(fetch, hub, arguments, code, message):
    done = fetch(*arguments)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert not hub.asked

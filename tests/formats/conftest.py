"""Small sets in the layouts that users and the Hub have: items.jsonl, save_to_disk folders, parquet."""

import io
import json

import datasets
import numpy as np
import pyarrow as pa
import pytest
import soundfile


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CPBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def sound_bytes():
    """sound_bytes(n) -> a FLAC file of half a second, another one for each n."""

    def make(n=0):
        wave = 0.3 * np.sin(np.arange(8000) * (0.05 + 0.01 * n))
        buffer = io.BytesIO()
        soundfile.write(buffer, wave.astype(np.float32), 16000, format="FLAC")
        return buffer.getvalue()

    return make


@pytest.fixture
def written(tmp_path, sound_bytes):
    """written(*lines) -> items.jsonl beside a.flac, b.flac, c.flac; a line is a dict, or text as it stands."""

    def make(*lines):
        for n, name in enumerate("abc"):
            (tmp_path / f"{name}.flac").write_bytes(sound_bytes(n))
        path = tmp_path / "items.jsonl"
        path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
        return path

    return make


@pytest.fixture
def line():
    """line(**more) -> a line with what is needed, and more."""
    return lambda **more: {"id": "1", "audio": "a.flac", "question": "q?", "references": ["r"], **more}


def dataset(rows, features):
    """A data set with real Audio columns: `Dataset.from_list` would want torchcodec to make one."""
    fields = [pa.field(field.name, getattr(field.type, "storage_type", field.type)) for field in features.arrow_schema]
    return datasets.Dataset(
        pa.Table.from_pylist(rows, schema=pa.schema(fields)), info=datasets.DatasetInfo(features=features)
    )


@pytest.fixture
def made():
    """made(rows, features) -> a data set."""
    return dataset


@pytest.fixture
def flat(sound_bytes):
    """flat(n, **columns) -> a data set of flat rows, two questions a clip; columns: name -> (feature, values)."""

    def make(n=4, **columns):
        audio, text = datasets.Audio(sampling_rate=16000), datasets.Value("string")
        features = {"context": audio, "instruction": text, "answer": text}
        features |= {name: feature for name, (feature, _) in columns.items()}
        rows = [
            {
                "context": {"bytes": sound_bytes(row // 2), "path": f"{row // 2}.flac"},
                "instruction": f"What is said about topic {row}?",
                "answer": f"Something {row}.",
                **{name: values[row] for name, (_, values) in columns.items()},
            }
            for row in range(n)
        ]
        return dataset(rows, datasets.Features(features))

    return make


@pytest.fixture
def nested(sound_bytes):
    """nested(n) -> a data set of nested rows, with other_attributes."""

    def make(n=3):
        text = datasets.Value("string")
        features = datasets.Features(
            {
                "context": {"text": text, "audio": datasets.Audio(sampling_rate=16000)},
                "instruction": {"text": text, "audio": datasets.Audio(sampling_rate=16000)},
                "answer": {"text": text},
                "other_attributes": {"question_type": text, "language": text, "video_id": text},
            }
        )
        rows = [
            {
                "context": {"text": None, "audio": {"bytes": sound_bytes(row), "path": None}},
                "instruction": {"text": f"Nested question {row}?", "audio": None},
                "answer": {"text": f"Nested answer {row}."},
                "other_attributes": {"question_type": "CE", "language": "en", "video_id": f"v{row % 2}"},
            }
            for row in range(n)
        ]
        return dataset(rows, features)

    return make

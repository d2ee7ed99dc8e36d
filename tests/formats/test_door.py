import pytest

from cpbench import formats
from cpbench.errors import UsageError


def test_an_unknown_format_is_named_with_its_neighbours(tmp_path):
    with pytest.raises(UsageError, match=r"no format that can read 'itmes' \(did you mean 'items'\?\)"):
        formats.read("itmes", tmp_path, task="t")


def test_a_file_that_serves_the_formats_is_not_one(tmp_path):
    with pytest.raises(UsageError) as raised:
        formats.read("qtypes", tmp_path, task="t")
    assert {"items", "hub"} <= set(raised.value.allowed)
    assert "qtypes" not in raised.value.allowed


def test_a_format_that_is_only_read_cannot_be_written(tmp_path):
    with pytest.raises(UsageError, match="no format that can write 'hub'"):
        formats.write("hub", [], tmp_path / "x")

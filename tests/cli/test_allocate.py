"""`blockloom allocate`: the public CSV form in all its variants, and what is wrong with a file."""

from pathlib import Path

import pytest

from compiler.cli.main import main

EXAMPLE = "id,lower,upper,size\nb1,0,3,4\nb2,3,9,4\nb3,0,9,4\nb4,9,21,4\nb5,0,21,4\n"
"""Of MiniMalloc's documentation: 12 bytes are needed, and suffice."""


def offsets(path: Path) -> list[str]:
    header, *rows = path.read_text().splitlines()
    assert header.endswith(",offset")
    return [row.rsplit(",", 1)[1] for row in rows]


@pytest.mark.parametrize("method", ["auto", "greedy", "search"])
def test_allocates_the_example(method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text(EXAMPLE)
    files = [str(tmp_path / "in.csv"), str(tmp_path / "out.csv")]
    assert main(["allocate", "--capacity", "12", "--method", method, *files]) == 0
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert [row.rsplit(",", 1)[0] for row in rows] == EXAMPLE.splitlines()
    assert sorted({row.rsplit(",", 1)[1] for row in rows[1:]}) == ["0", "4", "8"]
    assert "5 buffers in 12 of 12 bytes (at least 12 are needed)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        "buffer,start,end,size\nb1,0,2,4\nb2,3,8,4\nb3,0,8,4\nb4,9,20,4\nb5,0,20,4\n",
        "buffer_id,begin,end,size\nb1,0,2,4\nb2,3,8,4\nb3,0,8,4\nb4,9,20,4\nb5,0,20,4\n",
        "size,upper,lower,id,hint\n4,3,0,b1,-1\n4,9,3,b2,-1\n4,9,0,b3,-1\n4,21,9,b4,-1\n4,21,0,b5,-1\n",
        "id,lower,upper,size,offset,gaps\nb1,0,3,4,7,\nb2,3,9,4,7,\nb3,0,9,4,7,\nb4,9,21,4,7,\nb5,0,21,4,7,\n",
    ],
)
def test_spellings_of_the_same_problem(text: str, tmp_path: Path) -> None:
    """An `end` is the last step, so it is one less; all give the same offsets as the example."""
    (tmp_path / "example.csv").write_text(EXAMPLE)
    (tmp_path / "other.csv").write_text(text)
    for name in ("example", "other"):
        assert main(["allocate", "--capacity", "12", str(tmp_path / f"{name}.csv"), str(tmp_path / f"{name}.out")]) == 0
    assert offsets(tmp_path / "other.out") == offsets(tmp_path / "example.out")


def test_alignment_is_kept(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,lower,upper,size,alignment\na,0,1,5,1\nb,0,1,8,16\n")
    assert main(["allocate", "--capacity", "24", str(tmp_path / "in.csv"), str(tmp_path / "out.csv")]) == 0
    assert int(offsets(tmp_path / "out.csv")[1]) % 16 == 0


def test_what_does_not_fit_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text(EXAMPLE)
    assert main(["allocate", "--capacity", "11", str(tmp_path / "in.csv"), str(tmp_path / "out.csv")]) == 1
    assert "holds 11 bytes, but 12 bytes are live in steps [0, 3): 'b1' 4, 'b3' 4, 'b5' 4" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; it begins with the columns id,lower,upper,size"),
        ("id,lower,size\nb,0,1\n", "has no column upper; its columns are id,lower,size"),
        ("id,lower,upper,size,colour\nb,0,1,4,red\n", "has the unknown columns colour; known are id,"),
        ("id,buffer,lower,upper,size\nb,b,0,1,4\n", "has two columns of one meaning: id,buffer,lower,upper,size"),
        ("id,lower,upper,size\nb,0,1\n", "row 2 has 3 fields, the header has 4: b,0,1"),
        ("id,lower,upper,size\nb,0,1,4\nc,0,x,4\n", "row 3: upper must be a whole number, 'x' was given"),
        ("id,lower,upper,size\nb,2,2,4\n", "row 2: buffer 'b' is live in no step"),
        ("id,lower,upper,size\nb,0,2,4\nb,0,2,4\n", "buffer names must be distinct, these are not: b"),
        ("id,lower,upper,size,gaps\nb,0,9,4,2-4\n", "row 2: a buffer with gaps cannot be placed"),
    ],
)
def test_what_is_wrong_with_a_file(text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text(text)
    assert main(["allocate", "--capacity", "64", str(tmp_path / "in.csv"), str(tmp_path / "out.csv")]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--capacity", "-1"], ["--capacity", "64", "--time-limit", "0"]])
def test_senseless_limits_are_refused(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text(EXAMPLE)
    assert main(["allocate", *options, str(tmp_path / "in.csv"), str(tmp_path / "out.csv")]) == 2
    assert f"{options[-2]} is a number of" in capsys.readouterr().err

"""``batchmill init``: the document it writes runs, and nothing is overwritten."""

import gzip
import hashlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from batchmill.cli.init import TEMPLATES
from batchmill.cli.main import outcome

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_it_writes_is_valid_and_runs(folder, capfd):
    assert outcome(["init"]) == 0
    _, err = capfd.readouterr()
    assert err == "wrote workflow.yaml\nnext: batchmill run workflow.yaml\n"
    (folder / "three bytes; rm *").write_text("abc")
    assert outcome(["validate", "workflow.yaml"]) == 0
    capfd.readouterr()
    assert outcome(["run", "workflow.yaml", "-q"]) == 0
    told = json.loads(capfd.readouterr().out)
    size = (folder / "workflow.yaml").stat().st_size
    largest = {"workflow.yaml": size, "three bytes; rm *": 3}
    assert told == {"files": 2, "failed": 0, "largest": largest}
    assert list(told["largest"]) == list(largest)


def test_a_file_that_is_there_stays(folder, capfd):
    (folder / "workflow.yaml").write_text("mine")
    assert outcome(["init"]) == 2
    assert "workflow.yaml already exists" in capfd.readouterr().err
    assert (folder / "workflow.yaml").read_text() == "mine"


def test_a_name_and_a_folder_of_ones_own(folder, capfd):
    assert outcome(["init", "new folder/flow.yml"]) == 0
    assert "next: batchmill run 'new folder/flow.yml'" in capfd.readouterr().err
    assert outcome(["validate", "new folder/flow.yml"]) == 0
    assert "batchmill plan 'new folder/flow.yml'" in (folder / "new folder/flow.yml").read_text()


def test_the_first_line_names_the_schema_for_editors(folder, capfd):
    assert outcome(["init", "new/flow.yaml"]) == 0
    first = (folder / "new" / "flow.yaml").read_text().splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    capfd.readouterr()
    assert outcome(["schema"]) == 0
    schema = json.loads(capfd.readouterr().out)
    assert json.loads((folder / "new" / named).read_text()) == schema
    assert schema["$id"] == "urn:batchmill:workflow:0.1.0"
    assert (folder / "new" / ".batchmill" / ".gitignore").read_text() == "*\n"


def test_a_document_with_comments_is_no_json(folder, capfd):
    assert outcome(["init", "flow.json"]) == 2
    assert "ends in .yaml" in capfd.readouterr().err
    assert list(folder.iterdir()) == []


def test_a_place_that_cannot_be_written_is_the_environments_fault(folder, capfd):
    (folder / "file").touch()
    assert outcome(["init", "file/flow.yaml"]) == 5
    assert "file is not a folder and cannot become one" in capfd.readouterr().err


def made(folder, template):
    assert outcome(["init", "--template", template]) == 0
    assert "@FILE@" not in (folder / "workflow.yaml").read_text()
    assert outcome(["validate", "workflow.yaml"]) == 0


def ran(capfd, *inputs):
    capfd.readouterr()
    assert outcome(["run", "workflow.yaml", "-q", *inputs]) == 0
    return json.loads(capfd.readouterr().out)


def names(folder, *texts):
    for number, name in enumerate(texts):
        (folder / name).write_text(f"text {number}")


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_is_valid_and_is_listed(folder, capfd, template):
    made(folder, template)
    _, err = capfd.readouterr()
    assert "warning" not in err
    assert outcome(["init", "--list"]) == 0
    assert f"\n{template} " in f"\n{capfd.readouterr().out}"


def test_another_template_is_a_mistake_that_names_those_there_are(folder, capfd):
    assert outcome(["init", "--template", "nosuch"]) == 2
    assert "'start', 'files', 'photos'" in capfd.readouterr().err
    assert list(folder.iterdir()) == []


def test_files_packs_every_file(folder, capfd):
    names(folder, "a b.txt", "$(rm *).txt", "-c.txt")
    made(folder, "files")
    assert ran(capfd) == {"packed": 3, "failed": 0}
    assert gzip.decompress((folder / "packed" / "a b.txt.gz").read_bytes()) == b"text 0"
    assert {one.name for one in (folder / "packed").iterdir()} == {
        "a b.txt.gz", "$(rm *).txt.gz", "-c.txt.gz",
    }  # fmt: skip


def test_photos_hands_each_to_magick(folder, capfd, monkeypatch):
    tools = folder / "tools"
    tools.mkdir()
    (tools / "magick").write_text('#!/bin/sh\nfor last; do :; done; printf "%s|" "$@" > "$last"\n')
    (tools / "magick").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    names(folder, "a b.jpg", "c.jpg")
    made(folder, "photos")
    assert ran(capfd, "pixels=900") == {"done": 2, "failed": 0}
    told = (folder / "small" / "a b.jpg").read_text()
    assert told == "a b.jpg|-auto-orient|-resize|900x900>|small/a b.jpg|"


def test_texts_asks_about_each(folder, capfd):
    names(folder, "a.txt", "b.txt")
    made(folder, "texts")
    assert ran(capfd) == {"answered": 2, "failed": 0}
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert ["text 0" in answers[0]["response"], "text 1" in answers[1]["response"]] == [True, True]


def test_checksums_are_those_of_the_files(folder, capfd):
    names(folder, "a b.iso", "c.iso")
    made(folder, "checksums")
    assert ran(capfd, "pattern=*.iso") == {"files": 2, "failed": 0}
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    assert lines == [f"{hashlib.sha256(f'text {n}'.encode()).hexdigest()}  {one}" for n, one in
                     enumerate(["a b.iso", "c.iso"])]  # fmt: skip


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if self.path == "/none" else 200)
        self.end_headers()
        html = b"<html><TITLE>\n A &amp;  B</TITLE>"
        self.wfile.write(html if self.path == "/page" else self.path.encode())

    def log_message(self, *told):
        pass


def test_urls_are_fetched(folder, capfd):
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        (folder / "urls.csv").write_text(f"name,url\nx,{base}/a\ny,{base}/none\n")
        made(folder, "urls")
        capfd.readouterr()
        assert outcome(["run", "workflow.yaml", "-q", "private=true"]) == 3
        server.shutdown()
        thread.join()
    assert json.loads(capfd.readouterr().out) == {"fetched": 1, "failed": 1}
    assert "/a" in (folder / "answers.jsonl").read_text()


def test_transcode_writes_whole_copies(folder, capfd, monkeypatch):
    tools = folder / "tools"
    tools.mkdir()
    (tools / "ffmpeg").write_text('#!/bin/sh\nfor last; do :; done; printf "%s|" "$@" > "$last"\n')
    (tools / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    names(folder, "a b.wav", "$(rm *).wav")
    made(folder, "transcode")
    assert ran(capfd, "to=ogg") == {"done": 2, "failed": 0}
    assert {one.name for one in (folder / "ogg").iterdir()} == {"a b.ogg", "$(rm *).ogg"}
    assert (
        folder / "ogg" / "a b.ogg"
    ).read_text() == "-nostdin|-v|error|-y|-i|a b.wav|-threads|1|ogg/part-a b.ogg|"


def test_titles_are_found(folder, capfd):
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        (folder / "urls.csv").write_text(f"url\n{base}/page\n{base}/none\n")
        made(folder, "titles")
        capfd.readouterr()
        assert outcome(["run", "workflow.yaml", "-q", "private=true"]) == 3
        server.shutdown()
        thread.join()
    assert json.loads(capfd.readouterr().out) == {"titles": 1, "failed": 1}
    assert (folder / "titles.csv").read_text() == f"url,title\n{base}/page,A & B\n"


def test_logs_become_a_table(folder, capfd):
    line = '10.0.0.1 - - [29/Nov/2026:10:00:01] "GET / HTTP" 200 5'.replace(" HTTP", "")
    (folder / "a.log").write_text(f"{line}\nodd\n")
    made(folder, "logs")
    capfd.readouterr()
    assert outcome(["run", "workflow.yaml", "-q", "--executor", "thread"]) == 3
    assert json.loads(capfd.readouterr().out) == {"read": 1, "unread": 1}
    assert (folder / "requests.csv").read_text().splitlines()[1] == "a.log,10.0.0.1,/,200,5"


def test_repositories_are_tested_each_in_its_folder(folder, capfd):
    for name in ("one", "two"):
        (folder / "src" / name / ".git").mkdir(parents=True)
    made(folder, "repositories")
    assert ran(capfd, "below=src", "command=basename $PWD; exit 0") == {"passed": 2, "failed": 0}
    assert (folder / "tests.csv").read_text() == "repository,output\none,one\ntwo,two\n"


def test_nightly_tells_how_it_was_whatever_happened(folder, capfd):
    (folder / "inbox").mkdir()
    names(folder / "inbox", "a.txt")
    (folder / "inbox" / "empty.txt").touch()
    made(folder, "nightly")
    capfd.readouterr()
    assert outcome(["run", "workflow.yaml", "-q"]) == 3
    assert (folder / "last-night.txt").read_text() == "degraded: 1 of 2 files"


def test_nested_maps_over_folders_and_their_files(folder, capfd):
    for name in ("x", "y z"):
        (folder / name).mkdir()
        (folder / name / "a.txt").write_text("1\n2\n")
    made(folder, "nested")
    assert ran(capfd) == {"folders": 2, "failed": 0}
    assert (folder / "lines.csv").read_text() == "folder,lines\nx/,2\ny z/,2\n"


def test_cluster_runs_without_one(folder, capfd):
    made(folder, "cluster")
    assert ran(capfd, "count=3", "--executor", "sequential") == {"done": 3, "failed": 0}
    assert len((folder / "estimates.csv").read_text().splitlines()) == 4


PAGES = {"photos": "photos", "transcode": "transcode", "titles": "titles", "repositories": "repositories",
         "nested": "nested", "slurm": "cluster"}  # fmt: skip


@pytest.mark.parametrize(("page", "template"), PAGES.items())
def test_the_how_to_page_shows_the_template(page, template):
    text = (REPOSITORY / "docs" / "how-to" / f"{page}.md").read_text()
    written = (REPOSITORY / "src" / "batchmill" / "cli" / "templates" / f"{template}.yaml").read_text()
    assert written.split("\n\n", 1)[1] in text

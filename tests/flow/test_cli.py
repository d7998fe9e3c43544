"""The command line with real terminals, pipes and signals; templates from where they are installed."""

import os
import pty
import re
import shutil
import signal
import subprocess
import time

import pytest

from support.project import SOURCE_DIR, Project

TEMPLATES = ["food-delivery", "nyc-taxi"]


@pytest.mark.parametrize("template", TEMPLATES)
def test_an_example_is_a_template(ingot, tmp_path, template):
    if not (SOURCE_DIR / "examples" / template).is_dir():
        pytest.skip(f"no examples/{template}")
    out = ingot.run("init", template, cwd=tmp_path).out
    made = tmp_path / template
    assert f"cd {template}" in out
    ingot.run("check", cwd=made)
    wanted = {str(p.relative_to(SOURCE_DIR / "examples" / template))
              for p in (SOURCE_DIR / "examples" / template).rglob("*")
              if p.is_file() and "data" not in p.relative_to(SOURCE_DIR / "examples" / template).parts[:1]}
    found = {str(p.relative_to(made)) for p in made.rglob("*") if p.is_file()}
    assert wanted <= found
    assert not (made / "data" / "log").exists() and not (made / "data" / "lake").exists()
    assert ingot.run("init", template, cwd=tmp_path, code=1).err.count("nothing was changed") == 1


def test_templates_are_found_where_they_are_installed(ingot, tmp_path):
    """PREFIX/bin/ingot and PREFIX/share/ingot/examples."""
    if not (SOURCE_DIR / "examples" / "nyc-taxi").is_dir():
        pytest.skip("no examples")
    prefix = tmp_path / "prefix"
    (prefix / "bin").mkdir(parents=True)
    shutil.copy(ingot.path, prefix / "bin" / "ingot")
    shutil.copytree(SOURCE_DIR / "examples" / "nyc-taxi", prefix / "share" / "ingot" / "examples" / "nyc-taxi")
    subprocess.run([prefix / "bin" / "ingot", "init", "nyc-taxi", "mine"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "mine" / "ingot.yml").exists()
    # an unknown template names the known ones
    done = subprocess.run([prefix / "bin" / "ingot", "init", "nothing"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "minimal, nyc-taxi" in done.stderr


def test_init_keeps_what_is_there(ingot, tmp_path):
    (tmp_path / ".gitignore").write_text("mine\n")
    ingot.run("init", cwd=tmp_path)
    assert (tmp_path / ".gitignore").read_text() == "mine\n"
    made = (tmp_path / "domains/events/domain.yml").read_text()
    (tmp_path / "domains/events/domain.yml").write_text("# changed\n" + made)
    assert "nothing was changed" in ingot.run("init", cwd=tmp_path, code=1).err
    assert (tmp_path / "domains/events/domain.yml").read_text().startswith("# changed\n")


def test_the_first_project_runs_and_balances(ingot, tmp_path):
    ingot.run("init", cwd=tmp_path)
    p = Project.at(ingot, tmp_path)
    p("run")
    # one date: a clock that is wrong makes no partition (two, if midnight passes)
    assert 1 <= p.query("SELECT count(DISTINCT event_date) AS n FROM hourly_events")[0]["n"] <= 2
    assert p.query("SELECT sum(events) AS n FROM hourly_events")[0]["n"] == \
        p.query("SELECT count(*) AS n FROM silver.events")[0]["n"] > 19000
    p("audit")


def test_a_reader_that_has_enough_is_no_error(ingot):
    """ingot help | head -1"""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([ingot.path, "help"], stdout=writer, stderr=subprocess.PIPE, timeout=30)
    os.close(writer)
    assert done.returncode == 0 and done.stderr == b""


def test_output_that_can_not_be_written_is_an_error(ingot):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([ingot.path, "help"], stdout=full, stderr=subprocess.PIPE, timeout=30)
    assert done.returncode == 1 and b"cannot write the output" in done.stderr


def run_on_terminal(args, cwd):
    """Everything that a command prints on a terminal, and its exit status."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execv(args[0], args)
    text = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(fd)
    return text.decode(errors="replace"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_progress_is_on_a_terminal_and_nowhere_else(ingot, tmp_path):
    ingot.run("init", cwd=tmp_path)
    text, code = run_on_terminal([ingot.path, "run"], tmp_path)
    assert code == 0 and re.search(r"\r\S.*/s", text), text
    shutil.rmtree(tmp_path / "data")
    result = ingot.run("run", cwd=tmp_path)
    assert "\r" not in result.out + result.err
    shutil.rmtree(tmp_path / "data")
    assert "\r" not in run_on_terminal([ingot.path, "run", "--quiet"], tmp_path)[0].replace("\r\n", "\n")


def test_one_signal_drains_and_a_second_one_ends_at_once(ingot, tmp_path):
    ingot.run("init", cwd=tmp_path)
    p = Project.at(ingot, tmp_path)
    with p.up() as up:
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(60) == 0
    began = time.monotonic()
    with p.up() as up:
        up.process.send_signal(signal.SIGINT)
        up.process.send_signal(signal.SIGTERM)
        code = up.process.wait(60)
        assert code in (0, 128 + signal.SIGINT, 128 + signal.SIGTERM), up.tail()
    assert time.monotonic() - began < 60
    p("run")
    p("audit")


def test_every_verb_and_option_is_documented(ingot, tmp_path):
    page = (SOURCE_DIR / "docs" / "cli.md").read_text()
    options_page = page + "".join((SOURCE_DIR / "docs" / name).read_text() for name in ("dlq.md", "tables.md"))
    manual = (SOURCE_DIR / "docs" / "ingot.1").read_text().replace("\\-", "-")
    verbs = re.findall(r"^  (\w+) ", ingot.run("help", cwd=tmp_path).out.split("Verbs:")[1].split("\n\n")[0], re.M)
    assert len(verbs) >= 10
    for verb in verbs:
        assert re.search(rf"^\| `{verb}[ `]", page, re.M), f"docs/cli.md: {verb}"
        assert re.search(rf"^\.(B|BR) {verb}\b", manual, re.M), f"docs/ingot.1: {verb}"
        helps = [ingot.run("help", verb, cwd=tmp_path).out]
        if "\nActions:" in helps[0]:
            actions = re.findall(r"^  ([a-z-]+) ", helps[0].split("Actions:")[1].split("\n\n")[0], re.M)
            assert len(actions) >= 4, helps
            helps = [ingot.run("help", verb, action, cwd=tmp_path).out for action in actions]
            assert all(action in options_page and action in manual for action in actions)
        for option in re.findall(r"^ +(?:-\w, +)?--([a-z-]+)", "".join(h.split("\nOptions", 1)[1] for h in helps), re.M):
            assert f"--{option}" in options_page, f"docs/cli.md: {verb} --{option}"

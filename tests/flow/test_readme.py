"""What README.md tells a newcomer to do, done as it is written there."""

import re

from support import kafka
from support.project import SOURCE_DIR

README = (SOURCE_DIR / "README.md").read_text()


def block(language, starts_with):
    for text in re.findall(rf"```{language}\n(.*?)```", README, re.S):
        if text.startswith(starts_with):
            return text
    raise AssertionError(f"README.md has no {language} block that starts with {starts_with}")


def test_there_are_two_commands_to_set_up():
    setup = block("sh", "make demo")
    assert [line.split("#")[0].strip() for line in setup.splitlines()] == ["make demo", "make test"]


def test_the_first_domain_works_as_written(project):
    project.write("domains/trips/domain.yml", block("yaml", "# domains/trips/domain.yml"))
    project.write("domains/trips/gold/daily_fares.sql", block("sql", "-- domains/trips/gold/daily_fares.sql"))
    header = "trip_id,started_at,city,fare\n"
    project.write("input/a.csv", header + "t-1,2024-01-15T08:00:00Z,Berlin,12.50\nt-2,2024-01-15T09:00:00Z,Rome,3.00\n")
    project("check")
    project("run")
    assert project.query("SELECT city, trips, fares::VARCHAR AS fares FROM gold.daily_fares") == [
        {"city": "Berlin", "trips": 1, "fares": "12.50"}]
    project.write("input/b.csv", header + "t-3,2024-01-15T10:00:00Z,Berlin,1.25\n")
    project("run")
    with project.up() as up:
        message = re.search(r"echo '(\{.*?\})'", README).group(1)
        kafka.produce(up.bootstrap, "raw-trips", [message.encode()])
    project("run")
    # t-1 of the file and of the message are one trip
    assert project.query("SELECT city, trips, fares::VARCHAR AS fares FROM gold.daily_fares") == [
        {"city": "Berlin", "trips": 2, "fares": "13.75"}]


def test_the_changelog_and_the_help_name_the_same_verbs(ingot, tmp_path):
    changelog = (SOURCE_DIR / "CHANGELOG.md").read_text()
    verbs = re.search(r"Verbs: (.*?)\.\n", changelog, re.S).group(1).replace(",", " ").split()
    text = ingot.run("help", cwd=tmp_path).out
    listed = re.findall(r"^  ([a-z]+) {2,}\S", text.split("Verbs:")[1].split("Options")[0], re.M)
    assert sorted(verbs) == sorted(listed)

"""The files of `deploy/` fit the product that they deploy. No engine is needed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from typing import Any

import yaml

from corral_hub.config import HubConfig
from tests.house.toolbox import ROOT

DEPLOY = ROOT / "deploy"


def _compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def _help(command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "corral", command, "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_hubs_of_the_compose_file_are_started_with_options_that_exist() -> None:
    services = _compose()["services"]
    known = _help("hub")
    names = set[str]()
    for name in ("hub-a", "hub-b", "hub-c"):
        command = services[name]["command"]
        assert command[0] == "hub"
        for option in (word for word in command if word.startswith("--")):
            assert option in known, option
        names.add(command[command.index("--name") + 1])
    assert len(names) == 3


def test_the_valkey_of_the_compose_file_keeps_what_a_hub_promises() -> None:
    valkey = _compose()["services"]["valkey"]
    settings = dict(word[2:].split(" ", 1) for word in valkey["command"] if word.startswith("--"))
    assert HubConfig().durability == "fsync"
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "always"
    assert settings["maxmemory-policy"] == "noeviction"
    assert "valkey:/data" in valkey["volumes"]


def test_secrets_come_from_a_file_that_is_not_committed() -> None:
    compose = _compose()
    assert compose["secrets"]["token"] == {"file": "./token"}
    key = "./tls.key:/etc/nginx/tls.key:ro"
    assert key in compose["services"]["balancer"]["volumes"]
    for file in ("deploy/token", "deploy/tls.key"):
        assert subprocess.run(["git", "check-ignore", file], cwd=ROOT).returncode == 0


def test_the_load_balancer_knows_the_hubs_and_reads_files_that_it_is_given() -> None:
    text = re.sub(r"#.*", "", (DEPLOY / "nginx.conf").read_text())
    services = _compose()["services"]
    servers = re.findall(r"server (hub-\w+):7445", text)
    assert set(servers) == {name for name in services if name.startswith("hub-")}
    given = {volume.split(":")[1] for volume in services["balancer"]["volumes"]}
    assert set(re.findall(r"ssl_certificate\w*\s+([\w/.]+);", text)) < given


def test_the_image_has_the_packages_extras_and_a_user_without_rights() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        folder = package.split("/")[0]
        assert f"COPY {folder} {folder}" in text
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", text)
    assert set(extras.split(",")) <= set(project["project"]["optional-dependencies"])
    assert re.search(r"^USER corral$", text, re.M)
    assert "HEALTHCHECK" in text

"""The page for those who write a provider: its example is a package, found by its entry point, kept to its promises, and run."""

import json
import re
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from brimline.config import load_config
from brimline.errors import ConfigError
from brimline.providers import find_provider
from brimline.providers.base import _offered
from brimline.testing.contract import ProviderContract
from tests.servers import Cli

PAGE = (Path(__file__).parents[2] / "docs" / "providers" / "your-own.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
(PROVIDER, CONTRACT) = (text for kind, text in BLOCKS if kind == "python")
(PACKAGE, CONFIGURATION) = (text for kind, text in BLOCKS if kind == "toml")


class Service(BaseHTTPRequestHandler):
    """The imaginary service. It refuses its second request for a rate."""

    asked: ClassVar = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, body, self.headers["X-Offering"], self.headers["X-Temple"]))
        status = 429 if len(self.asked) == 2 else 200
        said = {"says": f"{len(body['turns'])} turns", "counted": {"heard": 9, "said": 2}}
        reply = json.dumps(said if status == 200 else {"error": "Not now"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(reply)))
        if status == 429:
            self.send_header("Retry-After", "0.05")
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    Service.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The package as pip would have put it there."""
    folder = tmp_path / "site-packages"
    (folder / "brimline_oracle-1.0.dist-info").mkdir(parents=True)
    (folder / "brimline_oracle.py").write_text(PROVIDER)
    metadata = folder / "brimline_oracle-1.0.dist-info"
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: brimline-oracle\nVersion: 1.0\n")
    offered = tomllib.loads(PACKAGE)["project"]["entry-points"]["brimline.providers"]
    lines = [f"{name} = {where}" for name, where in offered.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[brimline.providers]", *lines]))
    monkeypatch.syspath_prepend(folder)
    _offered.cache_clear()
    yield folder
    _offered.cache_clear()
    sys.modules.pop("brimline_oracle", None)


def test_it_is_short():
    assert len([line for line in PROVIDER.splitlines() if line.strip()]) <= 60


def test_it_keeps_its_promises(installed):
    names = {}
    exec(CONTRACT, names)
    contract = names["TestOracle"]()
    assert isinstance(contract, ProviderContract)
    contract.check()


def test_it_is_found_by_its_name_and_knows_its_options(installed):
    assert find_provider("oracle", {"temple": "Dodona"}).headers(None)["X-Temple"] == "Dodona"
    with pytest.raises(ConfigError, match="provider 'oracle' has no option 'region'; it takes temple"):
        find_provider("oracle", {"region": "x"})
    with pytest.raises(ConfigError, match=r"provider 'gopher' does not exist; there is .*oracle"):
        find_provider("gopher")


def test_a_package_that_cannot_be_loaded_is_named(installed):
    (installed / "brimline_oracle.py").write_text("import nothing_of_that_name")
    with pytest.raises(
        ConfigError, match=r"provider 'oracle' \(brimline_oracle:Oracle\) cannot be loaded: No module"
    ):
        find_provider("oracle")


def test_its_table_is_read(installed, tmp_path):
    (tmp_path / "brimline.toml").write_text(CONFIGURATION)
    place = load_config(tmp_path / "brimline.toml", environment={"DELPHI_KEY": "gold"}).resolve(
        "delphi/pythia"
    )
    assert (place.endpoint.provider, place.endpoint.options) == ("oracle", {"temple": "Dodona"})
    assert place.key().reveal() == "gold"


@pytest.mark.real_time
def test_it_is_run_like_any_other(installed, tmp_path, service):
    cli = Cli(tmp_path, DELPHI_KEY="gold", PYTHONPATH=str(installed))
    (tmp_path / "brimline.toml").write_text(CONFIGURATION.replace("http://127.0.0.1:8000", service))
    cli.write("in.jsonl", [{"prompt": "Who?"}, {"prompt": ["Who?", "And why?"]}])
    done = cli("run", "in.jsonl", "-m", "delphi/pythia", "--concurrency", "1", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert [line["response"] for line in cli.results("out.jsonl")] == ["1 turns", ["1 turns", "3 turns"]]
    assert [line["usage"]["input_tokens"] for line in cli.results("out.jsonl")] == [9, 18]
    assert sum(line["attempts"] for line in cli.results("out.jsonl")) == 4, "one was refused and asked again"
    assert {(path, body["voice"], *rest) for path, body, *rest in Service.asked} == {
        ("/ask", "pythia", "gold", "Dodona")
    }
    assert "gold" not in done.stderr + (tmp_path / "out.jsonl").read_text()
    bad = cli("check", "in.jsonl", "-m", "delphi/pythia", "-P", "voice=high")
    assert (bad.returncode, "parameter 'voice' cannot be set" in bad.stderr + bad.stdout) == (2, True)

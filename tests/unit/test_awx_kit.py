# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/awx: what AWX accepts, and what jobs get from it. The rules are those of AWX's source, see tests/tools/awx_kit.py."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
import types
import typing as t
from pathlib import Path

import pytest
import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))

import awx_kit
import package
from guides import ROOT

Json = dict[str, t.Any]


class Loader(yaml.SafeLoader):
    """Reads `!unsafe` as text."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(t.cast("yaml.ScalarNode", node)))


def read(name: str) -> t.Any:
    return yaml.load((ROOT / "docs" / "awx" / name).read_text(encoding="utf-8"), Loader)  # noqa: S506


CONTROLLER, SETTINGS = read("controller.yml"), read("settings.yml")
TYPES = {about["name"]: about for about in CONTROLLER["controller_credential_types"]}
TEMPLATES = {template["playbook"]: template for template in CONTROLLER["controller_templates"]}


# -- surveys ----------------------------------------------------------------------------------------------------


def variables(playbook: str) -> set[str]:
    """The variables that a playbook checks, which are those that it uses."""
    (play,) = yaml.safe_load((ROOT / "playbooks" / playbook).read_text(encoding="utf-8"))
    return {*play["tasks"][0]["vars"]["expether_kinds"], "expether_hosts"}


def questions(playbook: str) -> dict[str, Json]:
    return {question["variable"]: question for question in TEMPLATES[playbook]["survey_spec"]["spec"]}


def test_each_playbook_has_a_job_template_unless_there_is_a_reason() -> None:
    names = {path.name for path in (ROOT / "playbooks").glob("*.yml")}
    assert {*TEMPLATES} == names - {f"{name}.yml" for name in awx_kit.NOT_OFFERED}
    assert {f"{name}.yml" for name in awx_kit.NOT_OFFERED} <= names


@pytest.mark.parametrize("playbook", TEMPLATES)
def test_a_survey_asks_for_each_variable_unless_there_is_a_reason(playbook: str) -> None:
    assert {*questions(playbook)} == variables(playbook) - {*awx_kit.NOT_ASKED}


def test_the_reasons_are_for_variables_that_come_from_elsewhere() -> None:
    assert {*awx_kit.NOT_ASKED} <= set().union(*map(variables, TEMPLATES))
    injected = {name.lower() for name in TYPES[awx_kit.EEM]["injectors"]["env"]}
    set_by_template = set.intersection(*({*template["extra_vars"]} for template in TEMPLATES.values()))
    assert {*awx_kit.NOT_ASKED} <= injected | set_by_template


def test_a_new_variable_is_missed_until_the_survey_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("playbooks", "plugins", "docs/awx"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.setattr(awx_kit, "ROOT", tmp_path)
    monkeypatch.setattr(awx_kit, "KIT", tmp_path / "docs" / "awx")
    monkeypatch.setattr(sys, "argv", ["awx_kit.py", "--check"])
    assert awx_kit.main() == 0
    attach = tmp_path / "playbooks" / "attach.yml"
    text = attach.read_text(encoding="utf-8")
    text = text.replace("#   podm  ", "#   new_number  number, required  how many\n#   podm  ")
    attach.write_text(text.replace("          podm: text\n", "          podm: text\n          new_number: number\n"))
    assert awx_kit.main() == 1
    assert "docs/awx/controller.yml differ" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["awx_kit.py"])
    assert awx_kit.main() == 0
    made = yaml.load((tmp_path / "docs/awx/controller.yml").read_text(encoding="utf-8"), Loader)  # noqa: S506
    (survey,) = (
        made["survey_spec"]["spec"] for made in made["controller_templates"] if made["playbook"] == "attach.yml"
    )
    (question,) = (question for question in survey if question["variable"] == "new_number")
    assert (question["type"], question["required"], question["default"]) == ("float", True, "")


def complaints(question: Json) -> t.Iterator[str]:
    """Give what AWX has against a survey question, or what makes it unusable in its pages."""
    kinds: dict[str, type] = {"integer": int, "float": float}
    kinds |= dict.fromkeys(("text", "textarea", "password", "multiplechoice", "multiselect"), str)
    kind, default = kinds[question["type"]], question["default"]  # a page cannot show a question without a default
    if default != "" and (not isinstance(default, kind) or isinstance(default, bool)):
        yield f"the default is {default!r}"
    if "choices" in question:
        choices = question["choices"].splitlines()
        if not choices or not all(choice.strip() for choice in choices) or len({*choices}) < len(choices):
            yield f"the choices are {choices}"
        if default != "" and not {*default.splitlines()} <= {*choices}:
            yield "the default is none of the choices"
        if question["type"] == "multiplechoice" and default and default != choices[0]:
            yield "a page preselects another value than the default"
    elif question["type"] in ("multiplechoice", "multiselect"):
        yield "there are no choices"
    for limit in ("min", "max"):
        value = question.get(limit, 0)
        if not isinstance(value, int) or isinstance(value, bool):
            yield f"{limit} is {question[limit]!r}"
    if not question["required"] and question.get("min", 0) > 0:
        yield "an answer is optional and has a minimum"
    if isinstance(default, (int, float)) and not question["min"] <= default <= question["max"]:
        yield "the default is out of range"


@pytest.mark.parametrize("playbook", TEMPLATES)
def test_awx_accepts_the_survey(playbook: str) -> None:
    survey = TEMPLATES[playbook]["survey_spec"]
    assert {key: type(value) for key, value in survey.items()} == {"name": str, "description": str, "spec": list}
    assert len(survey["spec"]) == len(questions(playbook)) > 0
    for question in survey["spec"]:
        assert question["question_name"]
        assert question["question_description"]
        assert list(complaints(question)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"default": "2"},
        {"default": 99},
        {"type": "float"},
        {"max": 9.5},
        {"type": "multiplechoice"},
        {"type": "multiplechoice", "choices": "a\nb", "default": "c"},
        {"type": "multiplechoice", "choices": "a\nb", "default": "b"},
        {"type": "text", "default": "", "min": 1},
    ],
)
def test_what_awx_refuses_is_found(change: Json) -> None:
    question = {"type": "integer", "default": 2, "min": 0, "max": 9, "required": False}
    assert list(complaints(question)) == []
    assert list(complaints({**question, **change})) != []


def test_surveys_offer_what_the_modules_document() -> None:
    found = {
        (playbook, name): (question["type"], question.get("choices", "").split())
        for playbook in TEMPLATES
        for name, question in questions(playbook).items()
    }
    options = package_options("expether_device_info")
    assert found["devices.yml", "device_types"] == ("multiselect", options["type"]["choices"])
    assert found["devices.yml", "device_states"] == ("multiselect", options["state"]["choices"])
    assert found["compose.yml", "device_types"][0] == "textarea"  # a type may be repeated
    assert found["register.yml", "ca_path"][0] == "textarea"  # for the text of certificates
    assert found["sync.yml", "forks"][0] == "integer"
    assert found["attach.yml", "move"] == ("multiplechoice", ["false", "true"])
    assert found["release.yml", "detach_devices"] == ("multiplechoice", ["true", "false"])


def package_options(module: str) -> dict[str, Json]:
    text = (ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8")
    found = re.search(r'DOCUMENTATION = r"""\n(.*?)"""', text, re.DOTALL)
    assert found
    return t.cast("dict[str, Json]", yaml.safe_load(found[1])["options"])


# -- credential types -------------------------------------------------------------------------------------------


def render(templates: Json, **more: t.Any) -> Json:
    return {name: ImmutableSandboxedEnvironment(**more).from_string(text).render for name, text in templates.items()}


@pytest.mark.parametrize("name", TYPES)
def test_awx_accepts_the_credential_type(name: str) -> None:
    inputs, injectors = TYPES[name]["inputs"], TYPES[name]["injectors"]
    assert TYPES[name]["kind"] == "cloud"  # others cannot be used for an inventory source
    names = [field["id"] for field in inputs["fields"]]
    assert len({*names, "tower"}) == len(names) + 1
    assert {*inputs["required"]} <= {*names}
    for field in inputs["fields"]:
        assert {*field} <= {"id", "label", "type", "help_text", "secret", "multiline", "choices", "format", "default"}
        assert field["type"] == "string"  # a boolean that is not set would be false
        assert all(isinstance(choice, str) for choice in field.get("choices", []))
        assert not (field.get("secret") and "choices" in field)
    # Not extra_vars: ansible-core changes passwords like 0123 in them, and inventory updates do not get them.
    assert {*injectors} <= {"file", "env"}
    files = [re.fullmatch(r"template\.([a-zA-Z_]\w*)", label) for label in injectors["file"]]
    example: Json = dict.fromkeys(names, "EXAMPLE")
    example["tower"] = types.SimpleNamespace(
        filename=types.SimpleNamespace(**{found[1]: "EXAMPLE" for found in files if found})
    )
    assert len(vars(example["tower"].filename)) == len(files)
    for variable, template in injectors["env"].items():
        assert re.fullmatch(r"[A-Z_]+", variable)
        assert not variable.startswith("ANSIBLE_")
        assert template.isascii()
    for rendered in render({**injectors["file"], **injectors["env"]}, undefined=StrictUndefined).values():
        rendered(example)
    # Each input arrives somewhere.
    text = " ".join([*injectors["file"].values(), *injectors["env"].values()])
    assert {name for name in names if re.search(rf"\b{name}\b", text)} == {*names}


def injected(name: str, **inputs: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the environment of a job and the contents of its files by path, as AWX makes them of a credential."""
    for field in TYPES[name]["inputs"]["fields"]:
        # What a page sends for a choice that was not made becomes the first choice.
        if "choices" in field and inputs.get(field["id"]) == "":
            inputs[field["id"]] = field["choices"][0]
        assert inputs.get(field["id"], "") in ["", *field.get("choices", [inputs.get(field["id"], "")])]
    namespace: Json = {key: value for key, value in inputs.items() if value}
    files, names = {}, types.SimpleNamespace()
    for label, template in render(TYPES[name]["injectors"]["file"]).items():
        path = f"/runner/env/tmp_{label}"
        files[path] = template(namespace)
        setattr(names, label.partition(".")[2], path)
    namespace["tower"] = types.SimpleNamespace(filename=names)
    env = {variable: template(namespace) for variable, template in render(TYPES[name]["injectors"]["env"]).items()}
    return env, files


def test_a_full_credential_sets_all_variables() -> None:
    pem = "-----BEGIN CERTIFICATE-----\n{} \u00e9\n-----END CERTIFICATE-----"
    env, files = injected(
        awx_kit.EEM,
        url="https://eem.example.com:30500/eem",
        username="admin",
        password="0123 {{ no }} {% template %}",
        podm="rack1",
        validate_certs="false",
        ca_certificate=pem.format("ca"),
        client_certificate=pem.format("cert"),
        client_key=pem.format("key"),
        timeout="5",
    )
    contents = {variable: files[path] for variable, path in env.items() if path in files}
    assert contents == {
        "EEM_CA_PATH": pem.format("ca"),
        "EEM_CLIENT_CERT": pem.format("cert"),
        "EEM_CLIENT_KEY": pem.format("key"),
    }
    assert {variable: text for variable, text in env.items() if text not in files} == {
        "EEM_URL": "https://eem.example.com:30500/eem",
        "EEM_USERNAME": "admin",
        "EEM_PASSWORD": "0123 {{ no }} {% template %}",
        "EEM_PODM": "rack1",
        "EEM_VALIDATE_CERTS": "false",
        "EEM_TIMEOUT": "5",
    }
    url, ca = "postgresql://expether@db.example.com/expether?sslmode=verify-full", pem.format("db")
    env, files = injected(awx_kit.REGISTRY, registry=url, key="c2VjcmV0", password="0123", ca_certificate=ca)
    assert (env["EXPETHER_REGISTRY"], env["PGPASSWORD"]) == (url, "0123")
    assert (files[env["EXPETHER_REGISTRY_KEY_FILE"]], files[env["PGSSLROOTCERT"]]) == ("c2VjcmV0", ca)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("sends_empty_inputs", [False, True], ids=["API", "page"])
def test_inputs_that_were_not_filled_in_are_variables_that_are_not_set(name: str, sends_empty_inputs: bool) -> None:
    required = TYPES[name]["inputs"]["required"]
    optional = [field["id"] for field in TYPES[name]["inputs"]["fields"] if field["id"] not in required]
    inputs = {**(dict.fromkeys(optional, "") if sends_empty_inputs else {}), **dict.fromkeys(required, "given")}
    env, dummy = injected(name, **inputs)
    wanted = {variable for variable, text in TYPES[name]["injectors"]["env"].items() if text[3:-3] in required}
    assert {variable: text for variable, text in env.items() if text} == dict.fromkeys(wanted, "given")
    assert len(wanted) == len(required)


def test_the_certificate_can_be_verified_although_the_registration_accepts_any() -> None:
    assert injected(awx_kit.EEM, validate_certs="true")[0]["EEM_VALIDATE_CERTS"] == "true"
    assert injected(awx_kit.EEM, validate_certs="not set")[0]["EEM_VALIDATE_CERTS"] == ""


FRAGMENTS = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins" / "doc_fragments").glob("*.py"))


def test_modules_document_all_variables_that_credentials_set() -> None:
    names = {variable for about in TYPES.values() for variable in about["injectors"]["env"]}
    assert names - {*re.findall(r"E\((\w+)\)", FRAGMENTS)} == set()


def test_the_guide_shows_a_part_of_the_credential_types() -> None:
    page = (ROOT / "docs" / "docsite" / "rst" / "guide_awx.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"(?m)^ *\.\. code-block:: yaml\n\n((?:(?: {4}.*)?\n)+)", page)  # also those of list items
    shown = [yaml.safe_load(textwrap.dedent(block)) for block in blocks]
    inputs = [found for found in shown if "fields" in found]
    injectors = [found["env"] for found in shown if "env" in found]
    known = {field["id"]: field for field in TYPES[awx_kit.EEM]["inputs"]["fields"]}
    assert [{**known[field["id"]], **field} for found in inputs for field in found["fields"]] == [
        known[field["id"]] for found in inputs for field in found["fields"]
    ]
    variables_ = {variable for about in TYPES.values() for variable in about["injectors"]["env"]}
    assert len(inputs) == 1 and len(injectors) == 3 and {*set().union(*injectors)} <= variables_
    assert injectors[0].items() <= TYPES[awx_kit.EEM]["injectors"]["env"].items()


# -- project and execution environment --------------------------------------------------------------------------


@pytest.mark.parametrize("playbook", TEMPLATES)
def test_awx_finds_the_playbook_in_the_project(playbook: str) -> None:
    path = ROOT / "docs" / "awx" / "project" / playbook
    lines = path.read_text(encoding="utf-8").splitlines()
    assert any(re.match(r"^\s*?-?\s*?(?:hosts|include|import_playbook):\s*?.*?$", line) for line in lines)
    (play,) = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert play["import_playbook"] == f"nec.expether.{path.stem}"


def test_the_inventory_file_has_a_name_that_the_plugin_accepts() -> None:
    (source,) = CONTROLLER["controller_inventory_sources"]
    assert source["source_path"].endswith("expether.yml")
    assert read(f"project/{source['source_path']}")["plugin"] == "nec.expether.expether"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="needs importlib.metadata.packages_distributions")
def test_a_library_without_requirement_is_found() -> None:
    imported = package.imported(ROOT / "plugins")
    requirements = package.lines_of(ROOT / "requirements.txt")
    assert {"requests", "cryptography", "urllib3"} <= imported
    assert package.without_requirement(imported, requirements) == set()
    without = [line for line in requirements if not line.startswith(("cryptography", "requests"))]
    assert package.without_requirement(imported, without) == {"requests", "urllib3", "cryptography"}


def test_the_execution_environment_has_an_ansible_core_that_is_tested() -> None:
    from packaging.requirements import Requirement

    dependencies = read("execution-environment.yml")["dependencies"]
    wanted = Requirement(dependencies["ansible_core"]["package_pip"])
    tested = re.findall(
        r'^    Core\("([\d.]+)", \((.*)\), "[\d.]+"', (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE
    )
    python = dependencies["python_interpreter"]["package_system"].removeprefix("python")
    assert any(version in wanted.specifier and f'"{python}"' in pythons for version, pythons in tested)


# -- the event source -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("about", awx_kit.eda_credential_types(), ids=lambda about: about["name"])
def test_a_credential_for_the_event_source_sets_the_variables_of_jobs(about: Json) -> None:
    fields = {field["id"] for field in about["inputs"]["fields"]}
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    of_jobs = TYPES[about["name"]]["injectors"]
    assert {kind: [*named] for kind, named in about["injectors"].items()} == {
        kind: [*named] for kind, named in of_jobs.items()
    }
    files = types.SimpleNamespace(filename={name.partition(".")[2]: f"/f/{name}" for name in of_jobs["file"]})
    filled = {**dict.fromkeys(fields, "true"), "eda": files}
    for templates in about["injectors"].values():
        for name, text in templates.items():
            full, empty = (environment.from_string(text).render(**inputs) for inputs in (filled, {"eda": files}))
            assert full and empty == "", name

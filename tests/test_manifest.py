"""What a manifest says, and everything that can be wrong with it."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import get_args

import pytest

from manifests import HEAD
from startupctl.components import Moment
from startupctl.errors import ManifestError
from startupctl.fields import Priority
from startupctl.manifest import load_manifest
from startupctl.model import MOMENTS

pytestmark = pytest.mark.usefixtures("sample_kinds")
ONE = HEAD + "  it: {kind: sample}\n"


def test_the_moments_of_a_manifest_are_those_of_the_model():
    assert get_args(Moment) == MOMENTS


def test_a_whole_manifest(desk):
    manifest = desk.load("""
        version: 1
        name: shop
        settings: {deadline: 2m, fail_on: high}
        defaults: {max_retries: 1}
        components:
          db:
            kind: needy
            priority: critical
            url: scheme://app:pw-of-db@host/db
          app:
            kind: sample
            when: [check, serve]
            tags: [web, 12]
            hint: look at the log
            runbook: https://wiki/app
            depends_on: {db: {required: false}}
    """)
    assert (manifest.name, manifest.file, manifest.profile) == ("shop", "startup.yaml", None)
    assert (manifest.settings.deadline, manifest.settings.fail_on) == (120.0, Priority.HIGH)
    db, app = manifest.components.values()
    assert (db.kind, db.priority, db.database, db.policy.timeout) == ("needy", Priority.CRITICAL, True, 60.0)
    assert str(db.check.url) == "scheme://app:***@host/db"
    assert (app.priority, app.when, app.tags) == (Priority.HIGH, {"check", "serve"}, {"web", "12"})
    assert (app.hint, app.runbook, app.policy.max_retries) == ("look at the log", "https://wiki/app", 1)
    assert (app.depends_on, str(app.edge_marks["db"])) == ({"db": False}, "startup.yaml:17:18")
    assert (str(app.mark), app.policy.timeout) == ("startup.yaml:11:3", 30.0)
    assert manifest.secrets == {"pw-of-db"}


def test_what_is_not_written_has_its_default(desk):
    component = desk.one("")
    assert (component.priority, component.when, component.enabled) == (Priority.HIGH, set(MOMENTS), True)
    assert (component.tags, component.depends_on, component.folder) == (frozenset(), {}, Path())


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("text: 22:22", "22:22"),
        ("text: no", "no"),
        ("text: 0644", "0644"),
        ("text: 1e3", "1e3"),
        ('flag: "true"', True),
        ("flag: yes", True),
        ("number: '7'", 7),
        ("share: 1", 1.0),
        ("wait: 1m30s", 90.0),
        ("size: 2GB", 2_000_000_000),
        ("text: null", ""),
        ("text: 'null'", "null"),
        ("number: ~", 0),
        ("anything: null", None),
        ("anything: [1, 1.5, true, x, '1', null, 0644, 0x1f, 0o17, .inf, no, 22:22]",
         [1, 1.5, True, "x", "1", None, 644, 31, 15, float("inf"), "no", "22:22"]),
        ("anything: {a: {b: FALSE}}", {"a": {"b": False}}),
        ("args: {n: 1, t: '1'}", {"n": 1, "t": "1"}),
        ("table: {a: 1, b: yes}", {"a": "1", "b": "yes"}),
        ("words: [1, no]", ["1", "no"]),
        ("mixed: 5", 5),
        ("mixed: '5'", "5"),
        ("mixed: five", "five"),
        ("either: true", True),
        ("some: [1, '2']", (1, 2)),
    ],
)  # fmt: skip
def test_the_type_of_the_key_decides_what_a_scalar_is(desk, keys, value):
    component = desk.one(keys)
    assert getattr(component.check, keys.partition(":")[0]) == value


def test_a_key_may_have_another_name_than_its_field(desk):
    assert desk.one("name: abc").check.name_of == "abc"
    assert desk.problem("name_of: abc") == "components.it.name_of: unknown key, did you mean name?"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("priorty: HIGH", "components.it.priorty: unknown key, did you mean priority?"),
        ("txet: x", "components.it.txet: unknown key, did you mean text?"),
        ("zzz: x", "components.it.zzz: unknown key"),
        ("inner: {wrod: x}", "components.it.inner.wrod: unknown key, did you mean word?"),
        ("backoff: {maximum: 1}", "components.it.backoff.maximum: unknown key, did you mean max?"),
        ("number: x", "components.it.number: must be a whole number"),
        ("number: [1]", "components.it.number: must be a whole number"),
        ("number: 1.5", "components.it.number: must be a whole number"),
        ("share: x", "components.it.share: must be a number"),
        ("flag: perhaps", "components.it.flag: must be true or false"),
        ("text: [x]", "components.it.text: must be text"),
        ("text: {x: y}", "components.it.text: must be text"),
        ("words: x", "components.it.words: must be a list"),
        ("words: [a, [b]]", "components.it.words[1]: must be text"),
        ("table: [a]", "components.it.table: must be a mapping"),
        ("table: {a: [b]}", "components.it.table.a: must be text"),
        ("inner: x", "components.it.inner: must be a mapping"),
        ("inner: {level: 0}", "components.it.inner.level: must be at least 1"),
        ("inner: {level: 10}", "components.it.inner.level: must be at most 9"),
        ("either: {level: 0}", "components.it.either.level: must be at least 1"),
        ("either: perhaps", "components.it.either: must be true or false or a mapping"),
        ("mode: fancyy", "components.it.mode: must be `plain` or `fancy`, did you mean fancy?"),
        ("name: abcdef", "components.it.name: must have at most 5 characters"),
        ("name: A1", "components.it.name: must match the pattern `^[a-z]*$`"),
        ("some: []", "components.it.some: must not be empty"),
        ("port: 0", "components.it.port: must be at least 1"),
        ("wait: -1s", "components.it.wait: not a duration such as 500ms, 5s, 1m30s or 2h"),
        ("wait: 1d", "components.it.wait: not a duration such as 500ms, 5s, 1m30s or 2h"),
        ("wait: nan", "components.it.wait: not a duration such as 500ms, 5s, 1m30s or 2h"),
        ("size: 1 MegaByte", "components.it.size: not a size such as 512MiB or 2GB"),
        ("secret: [hush]", "components.it.secret: must be text"),
        ("url: hush", "components.it.url: not a URL such as scheme://user:password@host:port/name"),
        ("priority: urgent", "components.it.priority: not a priority, use one of CRITICAL, HIGH, MEDIUM, LOW"),
        ("enabled: maybe", "components.it.enabled: must be true or false"),
        ("when: [deploy]", "components.it.when[0]: must be `check`, `init-db`, `run`, `serve` or `library`"),
        ("when: chekc", "components.it.when: must be `check`, `init-db`, `run`, `serve` or `library`, did you mean check?"),
        ("when: []", "components.it.when: must not be empty"),
        ("tags: web", "components.it.tags: must be a list"),
        ("hint: [a]", "components.it.hint: must be text"),
        ("timeout: 0", "components.it.timeout: must be more than 0"),
        ("timeout: soon", "components.it.timeout: not a duration such as 500ms, 5s, 1m30s or 2h"),
        ("max_retries: -1", "components.it.max_retries: must be at least 0"),
        ("success_threshold: 0", "components.it.success_threshold: must be at least 1"),
        ("backoff: 5s", "components.it.backoff: must be a mapping"),
        ("backoff: {multiplier: 0.5}", "components.it.backoff.multiplier: must be at least 1"),
        ("backoff: {multiplier: inf}", "components.it.backoff.multiplier: must be a finite number"),
        ("backoff: {jitter: 2}", "components.it.backoff.jitter: must be at most 1"),
        ("breaker: {threshold: -1}", "components.it.breaker.threshold: must be at least 0"),
        ("depends_on: db", "components.it.depends_on: must be a list or a mapping of components, write `[db]`"),
        ("depends_on: [it]", "components.it.depends_on: needs itself, remove this edge"),
        ("depends_on: [[a]]", "components.it.depends_on[0]: must be text"),
        ("depends_on: [elsewhere]", "components.it.depends_on: no component is called `elsewhere`"),
        ("depends_on: [its]", "components.it.depends_on: no component is called `its`, did you mean it?"),
        ("text: ${GONE}", "components.it.text: the variable `GONE` is not set"),
        ("text: ${GONE:?say why}", "components.it.text: the variable `GONE` is not set, say why"),
        ("text: ${GONE", "components.it.text: malformed `${`, use ${NAME}, ${NAME:-default}, ${NAME:?message}, ${file:/path}, and $$ for a dollar sign"),
        ("number: ${GONE}", "components.it.number: the variable `GONE` is not set"),
        ("inner: {level: '${GONE}'}", "components.it.inner.level: the variable `GONE` is not set"),
        ("secret_file: gone", "components.it.secret_file: `gone` does not exist"),
        ("secret_file: [a]", "components.it.secret_file: must be the path of a file"),
        ("{secret_file: a, secret: b}", "components.it.secret_file: `secret` and `secret_file` exclude each other, keep one"),
        ("inner: {token_file: gone}", "components.it.inner.token_file: `gone` does not exist"),
        ("text_file: gone", "components.it.text_file: unknown key, did you mean text?"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_told_in_our_words(desk, keys, problem):
    if keys.startswith("{"):
        keys = keys.strip("{}").replace(", ", "\n")
    assert desk.problem(keys) == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 2\ncomponents: {it: {kind: sample}}", "startup.yaml:1:10: version: must be 1, this is the only version there is"),
        ("components: {it: {kind: sample}}", "startup.yaml:1:1: version: is required, begin with `version: 1`"),
        ("version: 1\ncomponents: {}", "startup.yaml:2:13: components: there are none, so nothing can be proved, name what must be ready"),
        ("version: 1", "startup.yaml:1:1: components: there are none, so nothing can be proved, name what must be ready"),
        ("- version: 1", "startup.yaml:1:1: must be a mapping that begins with `version: 1`"),
        (ONE + "component: {}", "startup.yaml:4:1: component: unknown key, did you mean components?"),
        (ONE + "name: [a]", "startup.yaml:4:7: name: must be text"),
        (ONE + "settings: {fail_on: x}", "startup.yaml:4:21: settings.fail_on: not a priority, use one of CRITICAL, HIGH, MEDIUM, LOW"),
        (ONE + "settings: {max_concurrent: 0}", "startup.yaml:4:28: settings.max_concurrent: must be at least 1"),
        (ONE + "settings: {deadline: 0}", "startup.yaml:4:22: settings.deadline: must be more than 0"),
        (ONE + "settings: [a]", "startup.yaml:4:11: settings: must be a mapping"),
        (ONE + "defaults: {priority: HIGH}", "startup.yaml:4:12: defaults.priority: unknown key"),
        (ONE + "defaults: {timeout: x}", "startup.yaml:4:21: defaults.timeout: not a duration such as 500ms, 5s, 1m30s or 2h"),
        (ONE + "profiles: {dev: {setings: {}}}", "startup.yaml:4:18: profiles.dev.setings: unknown key, did you mean settings?"),
        (ONE + "profiles: {dev: 1}", "startup.yaml:4:17: profiles.dev: must be a mapping"),
        (ONE + "profiles: [dev]", "startup.yaml:4:11: profiles: must be a mapping"),
        (HEAD + "  it: x", "startup.yaml:3:7: components.it: must be a mapping that holds `kind`"),
        (HEAD + "  it: {text: x}", "startup.yaml:3:7: components.it.kind: is required, `startupctl kinds` lists them"),
        (HEAD + "  it: {kind: smaple}", "startup.yaml:3:14: components.it.kind: no kind is called `smaple`, did you mean sample?"),
        (HEAD + "  it: {kind: zzzzzz}", "startup.yaml:3:14: components.it.kind: no kind is called `zzzzzz`, `startupctl kinds` lists them"),
        (HEAD + "  it: {kind: [a]}", "startup.yaml:3:14: components.it.kind: must be text"),
        (HEAD + "  it: {kind: no-kind}", "startup.yaml:3:14: components.it.kind: the kind `no-kind` cannot be loaded: entry point `no-kind` (pathlib:Path) of group startupctl.kinds is not a subclass of startupctl.check.Check"),
        (HEAD + "  it: {kind: gone}", "startup.yaml:3:14: components.it.kind: the kind `gone` cannot be loaded: No module named 'nowhere'"),
        (HEAD + "  my db: {kind: sample}", "startup.yaml:3:3: components.my db: cannot be the name of a component, begin with a letter or a digit and go on with these, `_`, `.` and `-`"),
        (HEAD + "  it: {kind: needy}", "startup.yaml:3:7: components.it.url: is required"),
        (ONE + "  b: {kind: sample, depends_on: [it]}\n  it: {kind: sample}", "startup.yaml:5:3: the key `it` is written twice, the first is at startup.yaml:3:3"),
        (HEAD + "  a: {kind: sample, depends_on: {b: }}\n  b: {kind: sample, enabled: false}",
         "startup.yaml:3:34: components.a.depends_on: requires `b`, which is disabled, enable it, or write `b: {required: false}`"),
        (HEAD + "  a: {kind: sample, depends_on: {b: no}}\n  b: {kind: sample}",
         "startup.yaml:3:37: components.a.depends_on.b: must be a mapping, write `{}` or `{required: false}`"),
        (HEAD + "  a: {kind: sample, depends_on: {b: {requird: no}}}\n  b: {kind: sample}",
         "startup.yaml:3:38: components.a.depends_on.b.requird: unknown key, did you mean required?"),
        (HEAD + "  a:\n    kind: sample\n    depends_on: [b]\n  b: {kind: sample, depends_on: [c]}\n  c: {kind: sample, depends_on: [a]}",
         "startup.yaml:5:18: components.a.depends_on: dependency cycle a -> b -> c -> a (a needs b at startup.yaml:5:18; b needs c at startup.yaml:6:34; c needs a at startup.yaml:7:34), remove one of these edges"),
    ],
)  # fmt: skip
def test_a_wrong_manifest_is_told_with_its_place(desk, text, problem):
    assert desk.problems(text) == [problem]


def test_all_problems_come_at_once_in_the_order_of_the_file(desk):
    lines = desk.problems("""
        version: 2
        settings: {dealine: 1}
        components:
          a:
            kind: sample
            number: x
            text: ${GONE}
            depends_on: [c]
          b: {kind: smple}
    """)
    assert [line.split(": ")[1] for line in lines] == [
        "version",
        "settings.dealine",
        "components.a.number",
        "components.a.text",
        "components.a.depends_on",
        "components.b.kind",
    ]


def test_flags_and_variables_that_do_not_parse_are_told_first(desk):
    desk.environ["STARTUP_MAX_RETRIES"] = "many"
    lines = desk.problems("version: 2\ncomponents: {it: {kind: sample}}", flags={"timeout": "x"})
    assert [line.split(": ")[0] for line in lines] == ["--timeout", "STARTUP_MAX_RETRIES", "startup.yaml:1:10"]


def test_edges_that_may_lead_to_what_is_disabled(desk):
    manifest = desk.load(
        HEAD
        + """
  off: {kind: sample, enabled: false, depends_on: [also-off]}
  also-off: {kind: sample, enabled: false}
  a: {kind: sample, depends_on: {off: {required: false}}}
"""
    )
    assert manifest.components["a"].depends_on == {"off": False}


def test_a_cycle_through_a_disabled_component_is_none(desk):
    manifest = desk.load(
        HEAD
        + """
  a: {kind: sample, depends_on: {b: {required: false}}}
  b: {kind: sample, enabled: false, depends_on: [a]}
"""
    )
    assert not manifest.components["b"].enabled


def test_a_component_that_could_not_be_read_is_still_known_to_others(desk):
    assert len(desk.problems(HEAD + "  a: 1\n  b: {kind: sample, depends_on: [a]}")) == 1
    assert len(desk.problems(HEAD + "  a: {kind: smple}\n  b: {kind: sample, depends_on: [a]}")) == 1


def test_a_disabled_component_needs_no_variable_and_no_file(desk):
    component = desk.one("enabled: ${ON:-false}\nurl: ${GONE}\nsecret_file: nowhere\n")
    assert (component.enabled, component.check) == (False, None)
    assert desk.problem("enabled: false\nurl: ${GONE}\nnumber: x") == "components.it.number: must be a whole number"


def test_values_of_variables_are_read_by_the_type_of_the_key(desk):
    desk.environ = {"N": "7", "B": "no", "D": "1m", "T": "12"}
    check = desk.one(
        "number: ${N}\nflag: ${B}\nwait: ${D}\ntext: ${T}\nanything: ['${T}', 12]\neither: ${ON:-true}"
    ).check
    assert (check.number, check.flag, check.wait, check.text) == (7, False, 60.0, "12")
    assert (check.anything, check.either) == (["12", 12], True)


def test_names_from_the_file_cannot_write_to_the_terminal(desk):
    name = '"\\e[31mred"'
    lines = desk.problems(
        f"version: 1\n{name}: 1\nprofiles: {{{name}: 1}}\ncomponents:\n"
        f"  {name}: {{kind: sample, depends_on: [{name}]}}\n"
        f"  b: {{kind: {name}, depends_on: [{name}, '${{A}}', c, redd]}}\n"
        f"  c: {{kind: sample, depends_on: [b], inner: {{{name}: 1}}, mode: {name}}}\n",
        profile="x",
    )
    assert len(lines) > 8
    assert "\x1b" not in "".join(lines)


# secrets


def test_secrets_are_gathered_from_everywhere(desk):
    desk.write("from-the-file\n", "secret")
    desk.write("from-file-form\n", "form")
    desk.environ = {"API_TOKEN": "from-a-variable", "HARMLESS": "from-nowhere"}
    manifest = desk.load(
        desk.sample("""
        secret_file: secret
        text: ${file:form} ${HARMLESS}
        url: scheme://u:from-the-url@h/?token=from-the-query
        inner: {token: from-a-table}
        words: ['${API_TOKEN}']
    """)
    )
    assert manifest.components["it"].check.secret.reveal() == "from-the-file"
    assert manifest.secrets == {
        "from-the-file", "from-file-form", "from-a-variable", "from-the-url", "from-the-query", "from-a-table",
    }  # fmt: skip


def test_a_required_secret_may_come_from_a_file(desk):
    desk.write("scheme://u:pw@host\r\n", "secrets/url")
    manifest = desk.load(HEAD + "  it: {kind: needy, url_file: secrets/url}")
    assert manifest.components["it"].check.url.host == "host"


def test_a_pipe_in_place_of_a_secret_is_refused_at_once(desk):
    os.mkfifo("pipe")
    assert desk.problem("secret_file: pipe") == "components.it.secret_file: `pipe` is not a regular file"


@pytest.mark.parametrize(
    "keys",
    [
        "url: postgres://u:hunter22@[::1",
        "url: 'hunter22'",
        "url: scheme://u:hunter22@h:99999999",
        "secret: [hunter22]",
        "secret: {hunter22: hunter22x}",
        "inner: {word: curse, token: hunter22}",
        "inner: {word: curse, token: '${DB_PASSWORD}'}",
        "port: ${DB_PASSWORD}",
        "mode: ${DB_PASSWORD}",
        "wait: ${DB_PASSWORD}",
        "priority: ${DB_PASSWORD}",
        "number: ${file:secret}",
        "url_file: secret",
    ],
)
def test_no_problem_ever_holds_a_secret(desk, keys):
    desk.write("hunter22", "secret")
    desk.environ = {"DB_PASSWORD": "hunter22"}
    assert "hunter22" not in desk.problem(keys).replace("secret.hunter22", "")


# files, overlays, profiles


def test_without_a_file_the_default_ones_are_tried(desk):
    with pytest.raises(ManifestError) as caught:
        desk.load(files=[])
    assert str(caught.value) == (
        f"there is no manifest: neither `startup.yaml` nor `startup.yml` is in `{desk.folder}`,"
        " `-f` names one elsewhere, `startupctl kinds` lists what one can hold"
    )
    desk.write(ONE, "startup.yml")
    assert desk.load(files=[]).file == "startup.yml"
    desk.write(ONE)
    assert desk.load(files=[]).file == "startup.yaml"
    desk.write(ONE, "a.yaml")
    desk.write("name: second", "b.yaml")
    desk.environ["STARTUPCTL_FILE"] = "a.yaml:b.yaml"
    assert (desk.load(files=[]).file, desk.load(files=[]).name) == ("a.yaml", "second")
    assert desk.load(files=["startup.yml"]).file == "startup.yml"


def test_a_missing_file_is_a_problem(desk):
    assert desk.problems(files=["gone/startup.yaml"]) == ["gone/startup.yaml: `gone` does not exist"]
    assert desk.problems(files=[Path()]) == [".: `.` is not a regular file"]


def test_stdin_is_a_file_of_the_working_directory(desk):
    desk.write("from-stdin", "secret")
    text = desk.sample("secret_file: secret")
    manifest = desk.load(files=["-"], stdin=io.StringIO(text))
    assert (manifest.secrets, manifest.file) == ({"from-stdin"}, "stdin")
    binary = io.TextIOWrapper(io.BytesIO(b"version: \xff"))
    assert desk.problems(files=["-"], stdin=binary) == ["stdin:1:10: is not UTF-8 text, save it as UTF-8"]
    assert desk.problems(files=["-", "-"]) == ["--file: stdin can be read only once"]


def test_later_files_merge_maps_and_replace_the_rest(desk):
    desk.write(desk.sample("words: [a, b]\ntable: {a: x, b: y}\ntext: old\nnumber: 3"))
    desk.write(
        "name: over\ncomponents: {it: {words: [c], table: {b: z}, number: null}, more: {kind: sample}}",
        "over/more.yaml",
    )
    manifest = desk.load(files=["startup.yaml", "over/more.yaml"])
    check = manifest.components["it"].check
    assert (check.words, check.table, check.text, check.number) == (["c"], {"a": "x", "b": "z"}, "old", 0)
    assert [str(one.folder) for one in manifest.components.values()] == [".", "over"]
    assert (manifest.name, manifest.file) == ("over", "startup.yaml")


def test_a_path_belongs_to_the_file_it_is_written_in(desk):
    desk.write("inside", "over/secret")
    desk.write(ONE)
    desk.write("components: {it: {secret_file: secret, text: '${file:secret}'}}", "over/more.yaml")
    check = desk.load(files=["startup.yaml", "over/more.yaml"]).components["it"].check
    assert (check.secret.reveal(), check.text) == ("inside", "inside")


def test_problems_of_several_files_name_them_in_order(desk):
    desk.write(ONE + "nmae: x\n", "b.yaml")
    desk.write("components: {it: {number: x}}\nsetings: {}", "a.yaml")
    assert [line.split(": ")[0] for line in desk.problems(files=["b.yaml", "a.yaml"])] == [
        "b.yaml:4:1",
        "a.yaml:1:27",
        "a.yaml:2:1",
    ]
    desk.write("a: [", "c.yaml")
    desk.write("a: 1\na: 2", "d.yaml")
    assert [line.split(":")[0] for line in desk.problems(files=["c.yaml", "d.yaml"])] == ["c.yaml", "d.yaml"]


PROFILES = (
    ONE
    + """
  other: {kind: sample, text: base}
profiles:
  dev: {name: devel, settings: {deadline: 9s}, components: {it: {enabled: false, url: "${GONE}"}, other: {text: dev}}}
  prod: {components: {extra: {kind: sample}}}
"""
)


def test_a_profile_is_laid_over_the_rest(desk):
    assert desk.load(PROFILES).components["other"].check.text == "base"
    manifest = desk.load(PROFILES, profile="dev")
    assert (manifest.name, manifest.profile, manifest.settings.deadline) == ("devel", "dev", 9.0)
    assert manifest.components["other"].check.text == "dev"
    assert not manifest.components["it"].enabled
    assert manifest.origins["settings.deadline"].origin == "profile dev"
    assert list(desk.load(PROFILES, profile="prod").components) == ["it", "other", "extra"]
    desk.environ["STARTUPCTL_PROFILE"] = "dev"
    assert desk.load(PROFILES).profile == "dev"
    assert desk.load(PROFILES, profile="prod").profile == "prod"


def test_an_unknown_profile_is_a_problem(desk):
    where = "startup.yaml:7:3: profiles: no profile is called"
    assert desk.problems(PROFILES, profile="pord") == [f"{where} `pord`, did you mean prod?"]
    assert desk.problems(PROFILES, profile="zzz") == [f"{where} `zzz`, there are: dev, prod"]
    assert desk.problems(ONE, profile="dev") == [
        "startup.yaml:1:1: profiles: no profile is called `dev`, there are: none"
    ]


# precedence and origins


POLICY = """
version: 1
defaults: {max_retries: 1, timeout: 11s, backoff: {initial: 2s}}
components:
  db: {kind: needy, url: s://h, max_retries: 2, backoff: {max: 9s}}
  app: {kind: sample}
"""


def values(manifest, name, *keys):
    return [manifest.origins[f"components.{name}.{key}"] for key in keys]


def test_a_component_wins_over_the_environment_and_that_over_defaults(desk):
    desk.environ = {"STARTUP_MAX_RETRIES": "5", "STARTUP_CIRCUIT_BREAKER_THRESHOLD": "0", "DATABASE_INIT_TIMEOUT": "70"}
    manifest = desk.load(POLICY)
    db, app = (component.policy for component in manifest.components.values())
    assert (db.max_retries, app.max_retries) == (2, 5)
    assert (db.timeout, app.timeout) == (70.0, 11.0)
    assert (db.backoff.initial, db.backoff.max, app.backoff.max) == (2.0, 9.0, 30.0)
    assert (db.breaker.threshold, app.breaker.recovery_timeout) == (0, 300.0)
    found = values(manifest, "db", "max_retries", "timeout", "backoff.initial", "backoff.max", "settle")
    assert [one.origin for one in found] == [
        "startup.yaml:5:46", "env DATABASE_INIT_TIMEOUT", "startup.yaml:3:61", "startup.yaml:5:64", "default",
    ]  # fmt: skip


def test_a_flag_wins_over_everything(desk):
    desk.environ = {"STARTUP_MAX_RETRIES": "5", "DATABASE_INIT_TIMEOUT": "70"}
    flags = {"timeout": "1s", "max_retries": "0", "recovery_timeout": 5, "deadline": "9s", "fail_on": "LOW"}
    manifest = desk.load(POLICY, flags=flags)
    for component in manifest.components.values():
        policy = component.policy
        assert (policy.timeout, policy.max_retries, policy.breaker.recovery_timeout) == (1.0, 0, 5.0)
    assert (manifest.settings.deadline, manifest.settings.fail_on) == (9.0, Priority.LOW)
    assert values(manifest, "db", "timeout")[0].origin == "flag --timeout"
    assert manifest.origins["settings.fail_on"].value == "LOW"


def test_the_database_timeout_is_for_databases(desk):
    manifest = desk.load(POLICY, flags={"db_timeout": "8s", "timeout": "1s"})
    assert [component.policy.timeout for component in manifest.components.values()] == [8.0, 1.0]


def test_equal_policies_are_one_object(desk):
    manifest = desk.load(HEAD + "".join(f"  c{number}: {{kind: sample, timeout: 5}}\n" for number in range(9)))
    assert len({id(component.policy) for component in manifest.components.values()}) == 1


def test_the_pool_comes_from_flag_own_key_and_environment(desk):
    desk.environ = {"DATABASE_POOL_MIN": "2", "DATABASE_POOL_MAX": "30"}
    text = HEAD + "  db: {kind: postgres, url: 'postgresql://h/d', pool: {min: 4}}\n"
    pool = desk.load(text).components["db"].check.pool
    assert (pool.min, pool.max) == (4, 30)
    pool = desk.load(text, flags={"pool_min": "6", "pool_max": "7"}).components["db"].check.pool
    assert (pool.min, pool.max) == (6, 7)


# without resolving


def test_without_resolving_all_but_values_is_checked(desk):
    text = (
        HEAD
        + """
  a: {kind: needy, url: "${DATABASE_URL}", timeout: "${T}", depends_on: [b]}
  b: {kind: sample, secret_file: nowhere, text: "${file:nowhere}"}
  c: {kind: sample, text: fixed, enabled: "${C}"}
  d: {kind: "${KIND}", tags: ["${T}", x], when: ["${W}"]}
"""
    )
    manifest = desk.load(text, resolve=False)
    checks = {name: component.check for name, component in manifest.components.items()}
    assert (checks["a"], checks["b"], checks["d"]) == (None, None, None)
    assert checks["c"].text == "fixed"
    assert manifest.components["c"].enabled
    assert manifest.components["a"].policy.timeout == 60.0
    assert manifest.secrets == frozenset()
    assert len(desk.problems(text)) == 8


def test_without_resolving_other_problems_are_found(desk):
    lines = desk.problems(
        desk.sample("url: ${X}\nnumber: y\ntext: ${bad\ninner: {word: '${W}', levl: 1}\ndepends_on: [x]"), resolve=False
    )
    assert [line.split(": ")[1] for line in lines] == [
        "components.it.number",
        "components.it.text",
        "components.it.inner.levl",
        "components.it.depends_on",
    ]


def test_every_kind_is_loaded_by_its_own_name(tmp_path):
    file = tmp_path / "startup.yaml"
    file.write_text(HEAD + "  port: {kind: tcp, address: 'localhost:1'}\n")
    manifest = load_manifest([file], environ={})
    assert manifest.components["port"].folder == tmp_path

import subprocess
import sys

import pytest

from shared_optim import lambdas
from workload.errors import ConfigError
from workload.member import Member, check_schedule


@pytest.mark.parametrize("module", ["workload.member", "workload.checkpoint_files"])
def test_what_commands_read_imports_no_torch(module):
    code = f"import sys, {module}\nprint('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout == "False\n"


@pytest.mark.parametrize("text", ["always", "early:1", "late:250000", "stuttered:10"])
def test_schedules_of_the_paper_are_accepted(text):
    check_schedule(text)


@pytest.mark.parametrize("text", ["", "early", "late:0", "stuttered:1.5", "early:-1", "always:3"])
def test_another_schedule_is_refused_by_key_and_value(text):
    with pytest.raises(ConfigError) as caught:
        check_schedule(text)
    assert str(caught.value).startswith(f"decay_schedule: {text!r} is none of always, early:T")


@pytest.mark.parametrize("scheme", ["none", "l2", "decoupled", "separated"])
def test_every_scheme_of_a_member_is_one_of_the_optimizers(scheme):
    member = Member(scheme, 0.0 if scheme == "none" else 1e-4, 0)
    values = lambdas(member.scheme, member.weight_decay)
    assert {key for key, value in values.items() if value} <= {scheme}

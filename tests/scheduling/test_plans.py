"""Every plan that the planner makes passes the checker, on arrays of every shape and with little memory."""

from __future__ import annotations

from hypothesis import given
from strategies_networks import networks, tight_chips

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.network import Network
from compiler.scheduling.program import plan_program


@given(network=networks(), chip=tight_chips())
def test_a_plan_is_right_or_refused_with_numbers(network: Network, chip: Chip) -> None:
    try:
        plan = plan_program(network, chip)
    except CapacityError as error:
        refusal = str(error)
    else:
        refusal = ""
        assert plan_faults(network, plan, chip) == []
    assert not refusal or ("bytes" in refusal and "would fit" in refusal)

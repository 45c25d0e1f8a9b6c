"""What calls weigh is said when they start, and corrected while they run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

import trimtab
from tests.client.ads import AdsServer
from tests.client.backends import Backend
from tests.client.eventually import eventually
from tests.client.service import ARITIES, assign
from tests.client.worlds import AnyChannel, Call, World
from trimtab.balance import Request
from trimtab.model import Policy

Backends = Callable[[int], list[Backend]]


def load(channel: AnyChannel) -> float:
    """Of the only endpoint."""
    (state,) = channel.explain()
    return state.load


def end(call: Call, channel: AnyChannel) -> None:
    call.now("cancel")
    eventually(lambda: load(channel) == 0)


def by_prompt(request: Request) -> float:
    """An estimate that is made in one place, for all callers."""
    return len(str(request.attributes.get("prompt", ""))) / 4


@dataclass
class Job:
    """What an application knows of its call."""

    cost: trimtab.Cost = field(default_factory=lambda: trimtab.Cost(800))


def by_job(request: Request) -> Any:
    job = request.attributes.get("job")
    return job.cost if isinstance(job, Job) else 1.0


@pytest.mark.parametrize("arity", ["unary_unary", "unary_stream"])
def test_by_an_attribute(world: World, ads: AdsServer, backends: Backends, arity: str) -> None:
    assign(ads, backends(1))
    channel = world.open(ads, policy=Policy(load="cost"))
    world.wait_ready(channel)
    weight = trimtab.Cost(800)
    with trimtab.attributes(cost=weight):
        call = world.begin(channel, arity, b"slow")
    eventually(lambda: load(channel) == 800)
    weight.amount = 250
    assert load(channel) == 250
    weight.amount += 1
    assert load(channel) == 251
    end(call, channel)
    weight.amount = 99
    assert load(channel) == 0


@pytest.mark.parametrize("arity", ["unary_unary", "unary_stream"])
def test_by_a_callable_whose_number_the_callers_object_takes_over(
    world: World, ads: AdsServer, backends: Backends, arity: str
) -> None:
    assign(ads, backends(1))
    channel = world.open(ads, policy=Policy(load="cost", cost=by_prompt))
    world.wait_ready(channel)
    weight = trimtab.Cost()
    with trimtab.attributes(prompt="four" * 20, cost=weight):
        call = world.begin(channel, arity, b"slow")
    eventually(lambda: load(channel) == 20)
    assert weight.amount == 20
    weight.amount += 5
    assert load(channel) == 25
    end(call, channel)


def test_by_a_callable_that_finds_the_object_among_the_attributes(
    world: World, ads: AdsServer, backends: Backends
) -> None:
    assign(ads, backends(1))
    channel = world.open(ads, policy=Policy(load="cost", cost=by_job))
    world.wait_ready(channel)
    job, other = Job(), Job(trimtab.Cost(100))
    with trimtab.attributes(job=job):
        call = world.begin(channel, "unary_stream", b"slow")
    with trimtab.attributes(job=other):
        second = world.begin(channel, "unary_stream", b"slow")
    eventually(lambda: load(channel) == 900)
    job.cost.amount = 7
    assert load(channel) == 107
    call.now("cancel")
    eventually(lambda: load(channel) == 100)
    end(second, channel)


def test_a_call_that_waits_for_its_endpoint_weighs_what_is_said_when_it_gets_one(
    world: World, ads: AdsServer, backends: Backends
) -> None:
    channel = world.open(ads, policy=Policy(load="cost"))
    weight = trimtab.Cost(800)
    with trimtab.attributes(cost=weight):
        call = world.begin(channel, "unary_stream", b"slow", wait_for_ready=True)
    weight.amount = 400
    assign(ads, backends(1))
    eventually(lambda: channel.explain() and load(channel) == 400)
    weight.amount = 300
    assert load(channel) == 300
    end(call, channel)


def test_what_is_no_cost_fails_the_call_whether_it_waits_or_not(
    world: World, ads: AdsServer, backends: Backends
) -> None:
    channel = world.open(ads, policy=Policy(load="cost"))
    with trimtab.attributes(cost="much"):
        waiting = world.begin(channel, "unary_unary", b"hello", wait_for_ready=True)
    patient = world.begin(channel, "unary_unary", b"hello", wait_for_ready=True)
    assign(ads, backends(1))
    with pytest.raises(grpc.RpcError) as caught:
        waiting.responses()
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNKNOWN
    assert "cost: expected a number that is not negative, or a trimtab.Cost, got 'much'" in error.details()
    # Whoever else waits gets what it waits for.
    assert patient.responses() == [b"hello"]
    for arity in ARITIES:
        with trimtab.attributes(cost=-1):
            late = world.begin(channel, arity, b"hello")
        with pytest.raises(grpc.RpcError) as caught:
            late.responses()
        error = caught.value
        assert error.code() is grpc.StatusCode.UNKNOWN
        assert "cost: expected a number that is not negative, or a trimtab.Cost, got -1" in error.details()
        assert isinstance(error.__cause__, ValueError)
    assert load(channel) == 0

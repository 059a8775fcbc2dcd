"""Memory, objects that go in any order, threads, and processes that were forked."""

import gc
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import draw
from test_modules import FORMULAS, layer_on

import weft


def resident():
    """Bytes of this process that lie in memory."""
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_ten_thousand_steps_take_no_memory(space):
    model, layer = layer_on(space, FORMULAS, 1, 2)
    optimiser, tape = weft.Optimiser(model, weft.UpdateRule.sgd()), weft.Tape()
    w, target = draw(space, batch=2), np.zeros((2, 2, 1))

    def steps(n):
        for _ in range(n):
            tape.reset()
            y = layer(weft.Features.constant(tape, space, w), activation="relu")
            tape.backward(weft.mean_all(weft.squared_error(y["b2"], target)))
            optimiser.step(1e-4)
        gc.collect()

    steps(1000)
    before = resident()
    steps(10_000)
    assert resident() - before < 2**20, "the steps keep memory"


def test_calls_take_no_memory(space):
    g, w = weft.Element.random(space, 1), draw(space)

    def calls(n):
        for i in range(n):
            weft.act(g, w)
            try:
                weft.Space("h: permutation(")
            except weft.ParseError:
                pass
            weft.Element(space, g.parts).then(g).inverse()
            weft.TermList(space, space, FORMULAS)

    calls(500)
    before = resident()
    calls(5000)
    assert resident() - before < 2**20


def test_objects_go_in_any_order(space):
    names = ["model", "layer", "tape", "x", "y", "var", "optimiser", "weights"]
    for order in itertools.islice(itertools.permutations(names), 0, 40320, 97):
        held = {"tape": weft.Tape(), "weights": draw(space, batch=2)}
        held["model"], held["layer"] = layer_on(space, FORMULAS, 1, 2)
        held["optimiser"] = weft.Optimiser(held["model"], weft.UpdateRule.adam())
        held["x"] = weft.Features.leaf(held["tape"], space, held["weights"])
        held["y"] = held["layer"](held["x"])
        held["var"] = weft.mean_all(weft.square(held["y"]["b2"]))
        held["tape"].backward(held["var"])
        for name in order:
            del held[name]


def test_a_layer_that_is_gone_still_has_its_backward_pass(space):
    tape = weft.Tape()
    x = weft.Features.leaf(tape, weft.Space(str(space)), draw(space, batch=2))

    def forward():
        _, layer = layer_on(weft.Space(str(space)), FORMULAS, 1, 2)
        return weft.mean_all(weft.square(layer(x)["b2"]))

    y = forward()
    gc.collect()
    tape.backward(y)
    assert np.abs(tape.grad(x["W1"])).max() > 0


def test_a_trainer_in_a_cycle_is_collected():
    import weakref

    class Held:
        pass

    held, model = Held(), weft.Module("line")
    line = weft.Linear(model, "line", 1, 1)
    model.init(0)
    held.trainer = weft.Trainer(model, lambda tape, items, held=held: line(held), items=1)
    end = weakref.ref(held)
    del held
    gc.collect()
    assert end() is None


def test_threads(space):
    """Each with a tape of its own; what they compute is what one thread does."""
    g, w = weft.Element.random(space, 1), draw(space, batch=64)
    model, layer = layer_on(space, FORMULAS, 1, 2)
    expected = layer(weft.Features.constant(weft.Tape(), space, w)).numpy()["W1"]
    moved = weft.act(g, w)["W1"]
    wrong = []

    def work():
        tape = weft.Tape()
        for _ in range(100):
            tape.reset()
            wrong.append(not np.array_equal(layer(weft.Features.constant(tape, space, w)).numpy()["W1"], expected))
            wrong.append(not np.array_equal(weft.act(g, w)["W1"], moved))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 800 and not any(wrong)


def test_the_gil_is_released():
    """A long call leaves other threads to run."""
    space = weft.mlp_space([64] * 7, "permutation")
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.monotonic()
    weft.derive_quadratic(space, space, limit=10)
    end = time.monotonic()
    done.set()
    thread.join()
    within = sum(begin < t < end for t in ticks)
    assert within >= 2


def in_a_child(seed, queue):
    space = weft.mlp_space([2, 16, 1])
    queue.put(weft.act(weft.Element.random(space, seed), draw(space, batch=512))["W1"])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(method):
    space = weft.mlp_space([2, 16, 1])
    expected = weft.act(weft.Element.random(space, 3), draw(space, batch=512))["W1"]  # its threads run before the fork
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=in_a_child, args=(3, queue))
    child.start()
    got = queue.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0
    np.testing.assert_array_equal(got, expected)


INTERRUPTED = """
import signal
import numpy as np, weft
signal.signal(signal.SIGINT, signal.default_int_handler)  # a program in the background would ignore it
model = weft.Module("line")
line = weft.Linear(model, "line", 256, 256)
model.init(0)
x = np.zeros((256, 256), np.float32)
def loss(tape, items):
    print("step", flush=True)
    return weft.mean_all(weft.squared_error(line(tape.constant(x[items])), x[items]))
trainer = weft.Trainer(model, loss, items=256, batch=1, epochs=100000)
try:
    while not trainer.done: trainer.run_epoch()
except KeyboardInterrupt:
    print("interrupted", len(model.parameters))
"""


def test_ctrl_c_ends_a_training():
    run = subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True)
    assert run.stdout.readline() == "step\n"
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert said.splitlines()[-1] == "interrupted 2" and run.returncode == 0


def test_ctrl_c_ends_a_fit(space):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    model = weft.make_reader("statnn", space)
    weights = model.standardise({name: a.astype(np.float32) for name, a in draw(space, batch=64).items()})
    data = weft.Examples(weights, np.linspace(0.1, 0.9, 64, dtype=np.float32))
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            weft.fit(model, data, data, epochs=10**6, patience=10**6)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)


# Calls without steps that take many seconds.
LONG = {
    "same": """
space = weft.mlp_space([64, 1800, 1800, 10], "positive_monomial")
a, b = [weft.NetworkFile(space, {n: np.random.default_rng(i).standard_normal(s) for n, s in space.shapes.items()}) for i in (0, 1)]
call = lambda: weft.same(a, b)
""",
    "derive": """
space = weft.Space("q: permutation(3)  " + " ".join(f"T{i}[q,q,q]" for i in range(12)))
call = lambda: weft.derive_quadratic(space, space)
""",
}


@pytest.mark.parametrize("name", LONG)
def test_ctrl_c_ends_a_long_call(name):
    program = f"""
import signal
import numpy as np, weft
signal.signal(signal.SIGINT, signal.default_int_handler)
{LONG[name]}
print("begins", flush=True)
try:
    call()
    print("ended")
except KeyboardInterrupt:
    print("interrupted")
"""
    run = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert run.stdout.readline() == "begins\n"
    time.sleep(0.2)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=120)
    assert said == "interrupted\n" and run.returncode == 0

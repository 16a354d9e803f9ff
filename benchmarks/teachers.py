"""Requests per second, and client CPU per request, against a server of 200 ms: the `openai` teacher beside its peers.

    python benchmarks/teachers.py [--requests 2000] [--rounds 3] [--distilabel PYTHON] > docs/benchmarks/teachers.md

Each client is a process of its own and asks the same prompts; rounds are interleaved. Ours appends and syncs to a ledger,
the others keep what they get. Needs `pip install openai 'lm-eval[api]'`; `--distilabel` names a Python that has distilabel.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOADS = {
    "no faults, 64 at once": ({"latency": 0.2}, 64),
    "5 % 500s, 2 % resets, 128 at once against a limit of 64": (
        {"latency": 0.2, "limit": 64, "retry_after": "1", "errors": 0.05, "resets": 0.02},
        128,
    ),
}


def prompts(n: int) -> list[str]:
    return [
        f"Question {i}: if somebody has {i} apples and eats one, how many are left? Think about it." for i in range(n)
    ]


# ------------------------------------------------------------------------------------- clients, each in its own process


def ours(url: str, n: int, at_once: int) -> int:
    from rtbench_plugins.remote.options import remote_options
    from rtbench_plugins.remote.teacher import RemoteTeacher

    from rtbench.schema.completions import Sampling
    from rtbench.storage.ledger import Ledger, make_request

    class Session:
        budget = None
        workspace = Path("none")

    options = {"model": "m", "base_url": url, "api_key_env": None, "concurrency": at_once}
    teacher = RemoteTeacher("t", remote_options("t", options), Session())  # type: ignore[arg-type]
    draw = Sampling(max_new_tokens=10, temperature=0.7)
    requests = [make_request("f", "d", i, 0, text, draw) for i, text in enumerate(prompts(n))]
    with tempfile.TemporaryDirectory() as folder:
        partition = Ledger(Path(folder)).partition("f", "d", "p")
        with partition.writer() as writer:
            for completion in teacher.open(teacher.members()[0]).generate(requests):
                writer.append(completion)
        return len(partition.keys())


def async_openai(url: str, n: int, at_once: int, retries: int = 10) -> int:
    from openai import AsyncOpenAI

    async def go() -> int:
        client = AsyncOpenAI(base_url=url, api_key="x", max_retries=retries)
        gate = asyncio.Semaphore(at_once)

        async def one(text: str) -> bool:
            async with gate:
                try:
                    await client.chat.completions.create(
                        model="m", messages=[{"role": "user", "content": text}], max_tokens=10, temperature=0.7
                    )
                except Exception:  # what is lost is counted
                    return False
                return True

        return sum(await asyncio.gather(*map(one, prompts(n))))

    return asyncio.run(go())


def lm_eval(url: str, n: int, at_once: int) -> int:
    from lm_eval.api.instance import Instance
    from lm_eval.models.api_models import JsonChatStr
    from lm_eval.models.openai_completions import LocalChatCompletion

    model = LocalChatCompletion(
        base_url=f"{url}/chat/completions", model="m", num_concurrent=at_once, max_retries=10, tokenizer_backend=None
    )
    asked = [
        Instance(
            request_type="generate_until",
            doc={},
            arguments=(JsonChatStr(json.dumps([{"role": "user", "content": text}])), {"until": [], "max_gen_toks": 10}),
            idx=i,
        )
        for i, text in enumerate(prompts(n))
    ]
    return len([text for text in model.generate_until(asked, disable_tqdm=True) if text])


def distilabel(url: str, n: int, at_once: int) -> int:
    from distilabel.models.llms import OpenAILLM

    llm = OpenAILLM(model="m", base_url=url, api_key="x", max_retries=10)
    llm.load()
    texts = prompts(n)
    done = 0
    for start in range(0, n, at_once):  # its pipelines ask batch by batch
        batch = [[{"role": "user", "content": text}] for text in texts[start : start + at_once]]
        found = llm.generate_outputs(inputs=batch, num_generations=1, max_new_tokens=10, temperature=0.7)
        done += sum(bool(one["generations"] and one["generations"][0]) for one in found)
    return done


CLIENTS: dict[str, Callable[[str, int, int], int]] = {
    "rtbench `openai` teacher, with ledger": ours,
    "AsyncOpenAI, `gather`, 10 retries": async_openai,
    "lm-eval `local-chat-completions`": lm_eval,
    "distilabel `OpenAILLM`": distilabel,
}


def child(name: str, url: str, n: int, at_once: int) -> None:
    logging.disable(logging.CRITICAL)
    client = CLIENTS[name]
    client(url, 4, 4)  # imports are no part of what is measured
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    try:
        answered = client(url, n, at_once)
    except BaseException as error:  # one that gives up loses all
        answered, name = 0, f"{type(error).__name__}"
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sys.__stdout__.write(json.dumps({"answered": answered, "seconds": seconds, "cpu": cpu, "error": name}) + "\n")


# ------------------------------------------------------------------------------------------------------ the measurement


def measured(python: str, name: str, settings: dict[str, object], n: int, at_once: int, seed: int) -> dict[str, float]:
    """One client against a fresh server."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.fault_server", json.dumps({**settings, "seed": seed})],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    assert server.stdin is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    environment = {**os.environ, "OPENAI_API_KEY": "x", "PYTHONPATH": str(ROOT / ".ci" / "packages")}
    done = subprocess.run(
        [python, __file__, "--child", name, url, str(n), str(at_once)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    server.stdin.close()
    server.wait()
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-500:]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", nargs=4)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--distilabel", metavar="PYTHON")
    parser.add_argument("--load", type=int, choices=range(1, len(LOADS) + 1), help="Only this one.")
    given = parser.parse_args()
    if given.child:
        name, url, n, at_once = given.child
        child(name, url, int(n), int(at_once))
        return
    pythons = {name: sys.executable for name in CLIENTS if name != "distilabel `OpenAILLM`"}
    if given.distilabel:
        pythons["distilabel `OpenAILLM`"] = given.distilabel
    print("# Remote teachers\n")
    print(
        "Requests per second and client CPU, each client in a process of its own against a server of 200 ms on the same "
        f"machine (`tests/helpers/fault_server.py`), {given.requests:,} requests, medians of {given.rounds} interleaved rounds:\n"
    )
    print(f"```sh\npython {' '.join(['benchmarks/teachers.py', *sys.argv[1:]])}\n```\n")
    print(
        f"{datetime.now(UTC).date()}, {os.cpu_count()} shared cores ({platform.machine()}), Python {platform.python_version()}."
    )
    for number, (title, (settings, at_once)) in enumerate(LOADS.items(), 1):
        if given.load not in {None, number}:
            continue
        results: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
        for seed in range(given.rounds):
            for name, python in pythons.items():
                results[name].append(measured(python, name, settings, given.requests, at_once, seed))
        print(
            f"\n## {title}\n\n| client | answered/s | of the ceiling of 320 | CPU ms per request | lost |\n|---|---:|---:|---:|---:|"
        )
        for name, rounds in results.items():
            rate = statistics.median(r["answered"] / r["seconds"] for r in rounds)
            cpu = statistics.median(1000 * r["cpu"] / given.requests for r in rounds)
            lost = sorted(given.requests - int(r["answered"]) for r in rounds)
            said = str(lost[0]) if lost[0] == lost[-1] else f"{lost[0]} to {lost[-1]}"
            print(f"| {name} | {rate:.0f} | {rate / 320:.2f} | {cpu:.2f} | {said} |")


if __name__ == "__main__":
    main()

"""Steps as jobs: on submitit's local cluster, and, for what Slurm itself does, with stand-ins of its four commands."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import DEMO, Cli, MakeCli, undated
from tests.helpers.runs import LONG, assert_ends, held, ledger, progress_in, store, wait_for
from tests.helpers.training import assert_same_training, matrix

LOCAL = ("--executor", "slurm", "--executor-option", "cluster=local")

PAIR = '''
import dataclasses, json, os, signal, tempfile, time
from pathlib import Path
import msgspec
from rtbench.api import StepFailedError
from rtbench.api import hookimpl
from rtbench.api import Resources
from rtbench_parrot import ParrotStudent

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "RTBENCH_THREADS", "CUDA_VISIBLE_DEVICES")

class Pair(ParrotStudent):
    """Two processes learn by heart; each leaves a note of what it was started with."""
    def model(self):
        return msgspec.structs.replace(super().model(), plugin="pair")
    def resources(self, kind, recipe):
        return Resources(cpus=2, processes=2 if kind == "train" else 1)
    def train(self, job):
        first = os.environ["RANK"] == "0"
        note = job.workdir / f"process-{os.environ['RANK']}.json"
        note.write_text(json.dumps({name: os.environ.get(name) for name in NAMES}))
        ACT
        if not first:
            job = dataclasses.replace(job, workdir=Path(tempfile.mkdtemp()))
        while first and not (job.workdir / "process-1.json").exists():
            time.sleep(0.05)
        return super().train(job)

@hookimpl
def rtbench_register_students(register):
    register("pair", Pair)
'''


def pair(cli: Cli, act: str = "") -> tuple[object, ...]:
    """Arguments of a run with one training by two processes, which do something before they begin."""
    plugin, path = cli.folder / "pair.py", cli.folder / "pair.yaml"
    plugin.write_text(PAIR.replace("ACT", act))
    path.write_text(DEMO.replace("[parrot]", "[{name: two, use: pair}]"))
    return ("run", "--plugin", plugin, "--matrix", path, "--methods", "fine-tune")


def notes(cli: Cli) -> list[dict[str, str | None]]:
    (folder,) = (cli.workspace / "store" / "train").iterdir()
    return [json.loads((folder / f"process-{rank}.json").read_text()) for rank in (0, 1)]


class Patient(Cli):
    """A command line that waits longer for the files of a job that has ended, as a busy machine may write them late."""

    def command(self, *arguments: object) -> list[str]:
        set_up = "from rtbench_plugins.executors import slurm_jobs; slurm_jobs.GRACE_SECONDS = 300.0"
        return [sys.executable, "-c", f"{set_up}; from rtbench.cli import main; main()", *map(str, arguments)]


def patient(cli: Cli) -> Cli:
    return Patient(cli.folder, cli.environment)


def test_jobs_give_what_local_workers_give(make_cli: MakeCli, demo: Path) -> None:
    here, there = make_cli("here"), patient(make_cli("there"))
    expected = here("run", "--matrix", demo, "--format", "json")
    done = there("run", "--matrix", demo, "--format", "json", *LOCAL, "--workers", 2)
    assert undated(done.stdout) == undated(expected.stdout)
    assert store(there.workspace) == store(here.workspace)
    assert ledger(there.workspace) == ledger(here.workspace)
    assert not list((there.workspace / "slurm").iterdir()), "nothing is left of jobs that went well"


def test_two_processes_of_a_job_learn_what_one_learns(make_cli: MakeCli) -> None:
    alone = make_cli("alone")
    alone("run", "--matrix", matrix(alone, {"use": "hf-causal"}))
    for sharded in (False, True):
        together = patient(make_cli(f"sharded-{sharded}"))
        student = {"use": "hf-causal", "processes": 2, "sharded": sharded, "micro_batch": 2}
        together("run", "--matrix", matrix(together, student), *LOCAL)
        assert_same_training(together, alone)


def test_failure_of_a_process_is_reported_and_ends_the_others(cli: Cli) -> None:
    """The second process fails before the two have met; the first one would wait for long."""
    act = "if not first: raise StepFailedError('the second one is ill')\n        time.sleep(3600)"
    process = cli.start(*pair(cli, act), *LOCAL, "--format", "json")
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 1
    assert "the second one is ill (in process 2)" in err
    assert "Traceback" not in err
    assert "skipped complete" in err
    assert "skipped score" in err
    (row,) = (row for row in json.loads(out)["rows"] if row["method"] == "fine-tune")
    assert "the second one is ill" in row["results"]["parity"]["reason"]
    assert_ends(process.pid)


def test_training_that_diverges_fails_with_its_own_message(cli: Cli) -> None:
    path = matrix(cli, {"use": "hf-causal", "processes": 2}, learning_rate=1e30)
    done = cli("run", "--matrix", path, *LOCAL, code=1)
    assert "Lower the learning rate" in done.stderr


def test_ctrl_c_cancels_jobs_and_the_next_run_goes_on(make_cli: MakeCli, demo: Path) -> None:
    undisturbed, stopped = make_cli("undisturbed"), make_cli("stopped")
    options = ("run", "--matrix", demo, "--methods", "fine-tune", "--epochs", 5, "--format", "json", *LOCAL)
    expected = undisturbed(*options).stdout
    process = held(stopped, "train").start(*options)
    wait_for(lambda: progress_in(stopped, "train"), process)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=LONG)
    assert process.returncode == 130
    assert "Run the same command again to continue" in err
    assert "Traceback" not in err
    assert_ends(process.pid)
    assert not (stopped.workspace / "store" / "train").exists(), "it was stopped in the middle"
    assert undated(stopped(*options).stdout) == undated(expected)
    assert store(stopped.workspace) == store(undisturbed.workspace)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["gpus_per_node"], "Write --executor-option NAME=VALUE"),
        (["gpus_per_nodes=4"], "Did you mean 'gpus_per_node'"),
        (["time_minutes=long"], "'long' is not a whole number"),
        (["time_minutes=0"], "executor slurm, time_minutes: 0 must be at least 1"),
        (["gpus_per_process=-1"], "gpus_per_process: -1 must be at least 0"),
        (["cluster=moon"], "unknown value 'moon'"),
        ([], "sbatch, srun, squeue, scancel not found"),
    ],
)
def test_invalid_options_are_reported(cli: Cli, demo: Path, given: list[str], said: str) -> None:
    options = [part for option in given for part in ("--executor-option", option)]
    without_slurm = Cli(cli.folder, {**cli.environment, "PATH": str(cli.folder)})
    done = without_slurm("run", "--matrix", demo, "--executor", "slurm", *options, code=2)
    assert said in done.stderr
    assert not (cli.workspace / "runs").exists()


STAND_IN = """#!{python}
import os, re, signal, subprocess, sys, time
from pathlib import Path

root, name, arguments = Path({root!r}), Path(sys.argv[0]).name, sys.argv[1:]

def say(number, word):
    (root / (number + ".new")).write_text(word)
    os.replace(root / (number + ".new"), root / (number + ".state"))  # squeue never reads half of it

if name == "sbatch":
    text = Path(arguments[0]).read_text()
    number = str(1 + len(list(root.glob("*.sh"))))
    (root / (number + ".sh")).write_text(text)
    if "REFUSED" in os.environ:
        sys.exit("sbatch: error: " + os.environ["REFUSED"])
    if "SLURM_CONF" not in os.environ or "SLURM_JOB_ID" in os.environ:
        sys.exit("sbatch: fatal: Could not establish a configuration source")
    flags = dict(re.findall(r"#SBATCH --([a-z-]+)=(.*)", text))
    nodes = int(flags["nodes"])
    given = {{"JOB_ID": number, "NTASKS": nodes * int(flags["ntasks-per-node"]), "JOB_NUM_NODES": nodes,
             "JOB_NODELIST": ",".join(["no-such-name"] * nodes), "CPUS_PER_TASK": flags["cpus-per-task"]}}
    environment = os.environ | {{"SLURM_" + key: str(value) for key, value in given.items()}}
    say(number, "RUNNING")
    with (root / (number + ".log")).open("w") as log:
        subprocess.Popen(["bash", "-c", text], env=environment, start_new_session=True, stdout=log, stderr=log)
    print("Submitted batch job", number)
elif name == "srun":
    number, count = os.environ["SLURM_JOB_ID"], int(os.environ["SLURM_NTASKS"])
    per_node = count // int(os.environ["SLURM_JOB_NUM_NODES"])
    files = [arguments[arguments.index(flag) + 1].replace("%j", number) for flag in ("--output", "--error")]
    command = arguments[arguments.index("--error") + 2:]
    while command[0].startswith("--"):
        command.pop(0)
    tasks = []
    for rank in range(count):
        out, err = (open(file.replace("%t", str(rank)), "a") for file in files)
        place = {{"SLURM_PROCID": rank, "SLURM_LOCALID": rank % per_node, "SLURM_NODEID": rank // per_node}}
        environment = os.environ | {{key: str(value) for key, value in place.items()}}
        tasks.append(subprocess.Popen(command, env=environment, stdout=out, stderr=err))
    while any(task.poll() is None for task in tasks):
        if any(task.poll() for task in tasks):  # --kill-on-bad-exit
            for task in tasks:
                task.terminate()
        time.sleep(0.05)
    codes = [task.wait() for task in tasks]
    word = "COMPLETED" if not any(codes) else "OUT_OF_MEMORY" if codes[0] == -signal.SIGKILL else "FAILED"
    say(number, word)
elif name == "squeue":
    for file in root.glob("*.state"):
        print(file.stem, file.read_text())
"""


def with_slurm(cli: Cli, **environment: str) -> Cli:
    """The same command line where there seems to be a Slurm cluster: the nodes are all this machine."""
    root = cli.folder / "slurm"
    root.mkdir()
    for name in ("sbatch", "srun", "squeue", "scancel"):
        (root / name).write_text(STAND_IN.format(python=sys.executable, root=str(root)))
        (root / name).chmod(0o755)
    path = f"{root}{os.pathsep}{cli.environment['PATH']}"
    return Cli(cli.folder, {**cli.environment, "PATH": path, "SLURM_CONF": "/etc/slurm/slurm.conf", **environment})


def slurm(*options: str) -> list[str]:
    return ["--executor", "slurm", *(part for option in options for part in ("--executor-option", option))]


def test_sixteen_gpus_are_asked_for_as_two_nodes(cli: Cli) -> None:
    """What sbatch was given; it refuses, which is told."""
    student = {"use": "hf-causal", "processes": 16, "sharded": True, "cpus": 6, "memory_gb": 20}
    options = slurm("gpus_per_process=1", "time_minutes=90", "partition=large", "account=77", 'slurm={"qos": "high"}')
    done = with_slurm(cli, REFUSED="invalid account")("run", "--matrix", matrix(cli, student), *options, code=1)
    assert "its job could not be submitted: sbatch: error: invalid account" in done.stderr
    script = (cli.folder / "slurm" / "1.sh").read_text().splitlines()
    flags = dict(line.removeprefix("#SBATCH --").partition("=")[::2] for line in script if line.startswith("#SBATCH"))
    expected = {
        "nodes": "2", "ntasks-per-node": "8", "gpus-per-node": "8", "cpus-per-task": "6", "time": "90",
        "partition": "large", "account": "77", "qos": "high", "no-requeue": "",
    }  # fmt: skip
    assert {name: flags[name] for name in expected} == expected
    assert flags["job-name"].startswith("rtbench-train-")
    assert int(flags["mem"].removesuffix("GB")) >= 8 * 4
    (srun,) = (line for line in script if line.startswith("srun "))
    assert "--kill-on-bad-exit=1" in srun
    assert "--cpus-per-task=6" in srun


def test_plan_goes_by_the_cluster_and_not_by_the_machine_that_submits(cli: Cli) -> None:
    config = {"n_layer": 100, "n_embd": 10_000, "n_inner": 40_000, "n_head": 100}  # 120e9 parameters
    path = matrix(cli, {"use": "hf-causal", "config": config, "processes": 16})
    cluster = with_slurm(cli)
    reason = cluster.json("plan", "--matrix", path)["cells"][0]["reason"]
    assert "and this machine has" in reason
    found: Any = cluster.json("plan", "--matrix", path, *slurm("gpus_per_process=1"))
    assert found["cells"][0]["reason"] is None
    needs = {step["kind"]: step["resources"] for step in found["steps"]}
    assert (needs["train"]["gpus"], needs["complete"]["gpus"]) == (16, 1), "what names no device takes the nodes' GPUs"


def test_each_process_gets_the_gpus_that_the_option_says(cli: Cli) -> None:
    path = matrix(cli, {"use": "hf-causal", "processes": 4, "memory_gb": 1})
    with_slurm(cli, REFUSED="no")("run", "--matrix", path, *slurm("gpus_per_process=2"), code=1)
    script = (cli.folder / "slurm" / "1.sh").read_text()
    assert "--nodes=1\n" in script
    assert "--gpus-per-node=8\n" in script


@pytest.mark.parametrize(("processes", "shape"), [(9, ("3", "3")), (12, ("2", "6")), (3, ("1", "3"))])
def test_nodes_take_equal_parts(cli: Cli, processes: int, shape: tuple[str, str]) -> None:
    path = matrix(cli, {"use": "hf-causal", "processes": processes, "memory_gb": 1})
    with_slurm(cli, REFUSED="no")("run", "--matrix", path, *slurm("processes_per_node=8"), code=1)
    script = (cli.folder / "slurm" / "1.sh").read_text()
    assert f"--nodes={shape[0]}\n" in script
    assert f"--ntasks-per-node={shape[1]}\n" in script
    assert "--gpus" not in script


def test_processes_on_two_nodes_find_each_other(cli: Cli) -> None:
    options = slurm("processes_per_node=1", "gpus_per_process=2")
    within_job = with_slurm(cli, CUDA_VISIBLE_DEVICES="4,5,6,7", SLURM_JOB_ID="7", SLURM_PROCID="3", RANK="3")
    done: Any = json.loads(within_job(*pair(cli), *options, "--format", "json").stdout)
    assert next(row for row in done["rows"] if row["method"] == "fine-tune")["results"]["parity"]["n"] == 20
    first, second = notes(cli)
    assert (first["RANK"], second["RANK"]) == ("0", "1")
    assert first["WORLD_SIZE"] == second["WORLD_SIZE"] == "2"
    assert first["MASTER_ADDR"] == second["MASTER_ADDR"] == socket.gethostname(), "the node's name cannot be looked up"
    assert first["MASTER_PORT"] == second["MASTER_PORT"]
    assert first["RTBENCH_THREADS"] == second["RTBENCH_THREADS"] == "1"
    assert first["LOCAL_RANK"] == second["LOCAL_RANK"] == "0"
    assert first["CUDA_VISIBLE_DEVICES"] == second["CUDA_VISIBLE_DEVICES"] == "4,5"
    assert "job-name=rtbench-train-" in (cli.folder / "slurm" / "1.sh").read_text()
    assert len(list((cli.folder / "slurm").glob("*.sh"))) == 1, "only the training is a job"


def test_processes_of_one_node_share_its_gpus(cli: Cli) -> None:
    with_slurm(cli, CUDA_VISIBLE_DEVICES="4,5")(*pair(cli), *slurm("gpus_per_process=1"))
    assert [note["CUDA_VISIBLE_DEVICES"] for note in notes(cli)] == ["4", "5"]


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "(OUT_OF_MEMORY): it used more memory than it had requested"),
        ("os.kill(os.getpid(), signal.SIGUSR2)", "Slurm ended its job: it was preempted by another job"),
    ],
)
def test_job_that_slurm_ends_is_a_failed_step(cli: Cli, act: str, said: str) -> None:
    done = with_slurm(cli)(*pair(cli, f"if first: {act}\n        time.sleep(60)"), *slurm(), code=1)
    assert said in done.stderr


def test_nothing_secret_is_in_the_files_of_a_job(cli: Cli) -> None:
    secret = with_slurm(cli, OPENAI_API_KEY="sk-none-of-your-business")
    act = "raise StepFailedError('no')"
    secret(*pair(cli, act), *slurm(), code=1)
    files = [file for file in (cli.workspace / "slurm").rglob("*") if file.is_file()]
    assert {".pkl", ".sh", ".err"} <= {file.suffix for file in files}
    assert all(b"none-of-your-business" not in file.read_bytes() for file in files)

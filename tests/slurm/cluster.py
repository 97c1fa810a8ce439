#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real Slurm on one machine: munged, slurmctld and one slurmd per emulated node, from Debian's
packages (scripts/install_deps.sh --slurm), in a folder of its own, as whoever calls it, no systemd.

    tests/slurm/cluster.py [--nodes 3] [--cpus 2] [--gpus 0] COMMAND...    with SLURM_CONF set

Used by test_slurm.py. The daemons run in the foreground as children. Leaving stops the jobs, then
the daemons, then what they left behind: this process adopts orphans and ends its own by their ids.
The nodes share a host, so Open MPI must not take ranks of two of them for neighbours in memory."""
import argparse
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
ONE_HOST = {"OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "tcp,self", "OMPI_MCA_btl_tcp_if_include": "lo"}
PR_SET_CHILD_SUBREAPER = 36
CONF = """\
ClusterName=batchrank
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdSpoolDir={folder}/spool.%n
TmpFS={folder}/tmp.%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
GresTypes=gpu
ReturnToService=2
MinJobAge=600
KillWait=2
UnkillableStepTimeout=20
MailProg=/bin/true
"""


def missing():
    """What is not installed, for a test that skips."""
    return [name for name in NEEDED if shutil.which(name, path=PATH) is None]


def free_ports(n):
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def descendants():
    """Process ids below this process, the dead ones too."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # gone meanwhile
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found, todo = [], [os.getpid()]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


class Cluster:
    """with Cluster(n_nodes, n_cpus, n_gpus) as c: c.call("sbatch", ...)"""

    def __init__(self, n_nodes=3, n_cpus=2, n_gpus=0):
        self.n_nodes, self.n_cpus, self.n_gpus = n_nodes, n_cpus, n_gpus
        self.folder = Path(tempfile.mkdtemp(prefix="batchrank-slurm-"))
        self.daemons = {}
        self.strangers = set(descendants())
        self.env = {**os.environ, **ONE_HOST, "PATH": PATH,
                    "SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            self._configure()
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def nodes(self):
        return [f"node{i + 1}" for i in range(self.n_nodes)]

    def _write(self, name, text):
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="ascii")

    def _configure(self):
        ports = free_ports(self.n_nodes + 1)
        user = pwd.getpwuid(os.getuid()).pw_name
        gres = f" Gres=gpu:{self.n_gpus}" if self.n_gpus else ""
        text = CONF.format(user=user, folder=self.folder, port=ports[-1])
        for node, port in zip(self.nodes(), ports):
            text += (f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} "
                     f"CPUs={self.n_cpus}{gres}\n")
            (self.folder / f"spool.{node}").mkdir()
            (self.folder / f"tmp.{node}").mkdir()
        text += "PartitionName=night Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
        (self.folder / "state").mkdir()
        self._write("slurm.conf", text)
        self._write("cgroup.conf", "CgroupPlugin=cgroup/v1\n")
        self._write("munge.key", os.urandom(64).hex())
        for g in range(self.n_gpus):  # by their number, as in /dev/nvidia0, jobs see them
            (self.folder / f"gpu{g}").symlink_to("/dev/null")
        self._write("gres.conf", "".join(f"Name=gpu File={self.folder}/gpu{g}\n"
                                         for g in range(self.n_gpus)))

    def _start(self):
        self.folder.chmod(0o755)  # munge wants to be found
        at = {name: self.folder / f"munge.{name}" for name in ("key", "socket", "pid", "seed")}
        self._spawn("munged", "--foreground", "--force", f"--log-file={self.folder}/munge.log",
                    *[f"--{name}{'' if name == 'socket' else '-file'}={path}"
                      for name, path in at.items()])
        self.wait(at["socket"].exists, "munged")
        self._spawn("slurmctld", "-D", "-c")
        for node in self.nodes():
            self.start_node(node)
        self.wait(self._is_idle, "the nodes")

    def start_node(self, node):
        self._spawn("slurmd", "-D", "-N", node, name=node)

    def _spawn(self, *words, name=None):
        name = name or words[0]
        with open(self.folder / f"{name}.log", "ab") as log:
            self.daemons[name] = subprocess.Popen(
                words, env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True)

    def call(self, *words, check=True):
        done = subprocess.run([str(w) for w in words], env=self.env, capture_output=True,
                              text=True, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"{words}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def job(self, job_id):
        """What scontrol knows of a job."""
        words = self.call("scontrol", "-o", "show", "job", job_id).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def _is_idle(self):
        states = self.call("sinfo", "-h", "-N", "-o", "%t", check=False).split()
        return states == ["idle"] * self.n_nodes

    def wait(self, is_ready, what, seconds=30):
        until = time.monotonic() + seconds
        while not is_ready():
            for name, process in self.daemons.items():
                if process.poll() is not None:
                    log = (self.folder / f"{name}.log").read_text()
                    raise RuntimeError(f"{name} ended with {process.returncode}:\n{log[-2000:]}")
            if time.monotonic() > until:
                raise RuntimeError(f"{what}: not there after {seconds} s")
            time.sleep(0.05)

    def close(self):
        """Jobs, daemons and whatever they left; then the folder."""
        if "slurmctld" in self.daemons:
            self.call("scancel", "--full", "--signal=KILL", "-u", str(os.getuid()), check=False)
        for process in self.daemons.values():
            process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 2
        while time.monotonic() < until and any(p.poll() is None for p in self.daemons.values()):
            time.sleep(0.05)
        while left := [p for p in descendants() if p not in self.strangers]:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                break
            time.sleep(0.02)
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, n in (("nodes", 3), ("cpus", 2), ("gpus", 0)):
        parser.add_argument("--" + name, type=int, default=n)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if missing():
        print("cluster.py: not installed: " + ", ".join(missing()), file=sys.stderr)
        return 77
    with Cluster(args.nodes, args.cpus, args.gpus) as cluster:
        return subprocess.run(args.command, env=cluster.env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

"""A program under measurement: a process that times passes when asked."""

import json
import os
import subprocess


class Worker:
    """Starts `command` on the given cores and waits until it is loaded and warm.

    The program prints one line when ready, then for each line of standard input that holds a number of passes, a JSON
    list of their milliseconds.
    """

    def __init__(self, name: str, command: list[str], cpus: list[int]):
        self.name = name
        environment = dict(os.environ, OMP_NUM_THREADS=str(len(cpus)), PYTHONWARNINGS="ignore")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        self.answer()

    def answer(self):
        """The next line that is JSON; programs may greet on standard output first."""
        for line in self.process.stdout:
            try:
                return json.loads(line)
            except json.JSONDecodeError:
                continue
        raise RuntimeError(f"{self.name} ended with exit code {self.process.wait()}")

    def run(self, passes: int) -> list[float]:
        """Milliseconds of each of `passes` passes."""
        self.process.stdin.write(f"{passes}\n")
        self.process.stdin.flush()
        return self.answer()

    def peak_megabytes(self) -> float:
        """The process's resident high-water mark, in 10^6 bytes."""
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) * 1024 / 1e6
        return 0.0

    def cpu_milliseconds(self) -> float:
        """Processor time that the process has used so far, of all its threads."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()

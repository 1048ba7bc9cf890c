"""A host that answers facts from a list, and one that is this very machine."""

import os
import subprocess

from fixtures.connect.runner import Output


class Answers:
    """Gives its answers in their order, and keeps the commands; an answer is standard output, or a whole `Output`."""

    def __init__(self, *answers, name="target"):
        self.name, self.shell = name, self
        self.answers, self.asked = list(answers), []

    def run(self, command, **_):
        self.asked.append(command)
        answer = self.answers.pop(0)
        return answer if isinstance(answer, Output) else Output(0, answer.encode(), b"")


class ThisMachine:
    """Runs each command here, after the words `before` and with some variables of its own."""

    def __init__(self, *before, **variables):
        self.name, self.shell = "target", self
        self.before, self.variables = before, variables

    def run(self, command, *, stdin=b"", timeout=60):
        words, env = [*self.before, "/bin/sh", "-c", command], os.environ | self.variables
        done = subprocess.run(
            words, input=stdin, timeout=timeout, env=env, cwd="/root", capture_output=True, check=False
        )
        return Output(done.returncode, done.stdout, done.stderr)

"""A host that answers facts from a list."""

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

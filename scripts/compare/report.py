"""What differs, what of it is known with a reason, and the figures."""

import re
from collections import Counter


class Report:
    """Collects differences; `known.txt` explains some: `pattern => reason`, the pattern over the whole line."""

    def __init__(self, known):
        self.known = []
        with open(known) as file:
            for line in file:
                if line.strip() and not line.startswith("#"):
                    pattern, reason = line.rstrip("\n").split(" => ", 1)
                    self.known.append((re.compile(pattern), reason))
        self.counts = Counter()
        self.explained = Counter()
        self.new = Counter()

    def count(self, what, many=1):
        self.counts[what] += many

    def add(self, scenario, step, what, ours, theirs):
        line = f"{scenario}: {step}: {what}: ours {ours!s} | theirs {theirs!s}"
        for pattern, reason in self.known:
            if pattern.search(line):
                self.explained[reason] += 1
                return
        # the same difference in many objects, or at many steps, is told once
        shape = (re.sub(r"\[\d+\]|#\d+", "", re.sub(r"^(\w+)/\S+", r"\1", what)), str(ours), str(theirs), "/" not in what and step)
        self.new[shape] += 1
        if self.new[shape] == 1:
            print(line, flush=True)

    def finish(self):
        """Prints the figures; returns how many differences nobody explained."""
        print("\ncompared: " + ", ".join(f"{many} {what}" for what, many in sorted(self.counts.items())))
        for reason, many in self.explained.most_common():
            print(f"known, {many} times: {reason}")
        print(f"unexplained: {len(self.new)}, {sum(self.new.values())} times")
        return len(self.new)

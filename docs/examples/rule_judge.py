"""A judge that is no language model: a chat endpoint on this machine whose answers follow from rules.

    python docs/examples/rule_judge.py            # prints its port; --port N for a fixed one

It looks in the answer for the emotion (gender, number) that the reference names, by a list of words. It has the faults
of a careless LLM judge: one unpleasant emotion is as good as another to it, it takes a denied emotion for a named one,
a list of all emotions for a right answer, a refusal for "neutral", and it believes an answer that says it is right. It
drops a fault when the system prompt speaks of it. So it shows what `cpbench judge validate` shows of a prompt, offline
and the same on every machine; it shows nothing about any LLM.

Standard library only. The protocol is that of OpenAI's chat completions.
"""

from __future__ import annotations

import argparse
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

EMOTIONS = ("anger", "happiness", "sadness", "fear", "neutral", "disgust", "surprise", "boredom")
KINDS = (frozenset(EMOTIONS), frozenset({"male", "female"}), frozenset({"none", "one", "two", "three"}))
PLAIN = {  # the words that it knows at once
    "anger": "angry anger 生气",
    "happiness": "happy happiness joy 高兴",
    "sadness": "sad sadness 悲伤",
    "fear": "afraid fear fearful 害怕",
    "neutral": "neutral 中性 平静",
    "disgust": "disgusted disgust 厌恶",
    "surprise": "surprised surprise 惊讶",
    "boredom": "bored boredom 无聊",
    **{word: word for kind in KINDS[1:] for word in kind},
}
SYNONYMS = {  # and those that it knows when the prompt speaks of synonyms
    "anger": "furious irritated annoyed 愤怒",
    "happiness": "cheerful joyful glad pleased 快乐",
    "sadness": "sorrowful unhappy 难过",
    "fear": "frightened scared anxious 恐惧",
    "neutral": "calm unemotional matter-of-fact 平淡",
    "disgust": "repulsed revolted 反感",
    "surprise": "astonished amazed 吃惊",
    "boredom": "weary uninterested 厌倦",
    "male": "masculine man 男性",
    "female": "feminine woman 女性",
}
UNPLEASANT = frozenset({"anger", "sadness", "fear", "disgust"})
RULES = {  # a rule and what a prompt says if it has it
    "synonyms": r"synonym|same meaning|another word",
    "languages": r"other language|another language",
    "exact": r"same emotion|another emotion|near emotion|neighbour",
    "one": r"several emotions|more than one|commits? itself|one emotion",
    "denied": r"denie[ds]|negat|\bnot angry\b",
    "refused": r"refus",
    "immune": r"(claims?|instructions?|requests?)[^.]{0,80}(nothing|ignore|not count)",
    "words": r"what is said|the words (?:that are )?quoted|both",
}
QUOTED = re.compile(r"says? [\"“][^\"”]+[\"”]")
REFUSAL = r"sorry|unable|can't|cannot|language model|抱歉|无法|不能"
DENIAL = r"\bnot\b|\bn't\b|anything but|\bno\b|不|绝"
ORDER = r"correct|full marks|give it|ignore all|score is|\"score\"|rating: 5|completely right|<reference>"


def judged(system: str, given: dict[str, Any]) -> tuple[str, bool]:
    """A reason, and whether the answer counts as right."""
    system = " ".join(system.split())  # a sentence may go over two lines
    rules = {name for name, sign in RULES.items() if re.search(sign, system, re.IGNORECASE)}
    answer, reference = str(given.get("answer", "")), str(given.get("reference", ""))
    heard = [QUOTED.sub("", text) if "words" in rules else text for text in (reference, answer)]
    wanted = named_in(heard[0], {"synonyms", "languages"})
    named = named_in(heard[1], rules) & {word for kind in KINDS if kind & wanted for word in kind}
    meant = wanted | (UNPLEASANT if wanted & UNPLEASANT and "exact" not in rules else frozenset())
    verdicts = (  # the first that applies
        (says(ORDER, answer) and "immune" not in rules, "The answer says that it is right.", True),
        (says(REFUSAL, answer), "A refusal.", "refused" not in rules and "neutral" in wanted),
        (not meant & named, "What the reference names is not named.", False),
        (len(named) > 1 and "one" in rules, "Several are named.", False),
        (says(DENIAL, answer) and "denied" in rules, "It is denied.", False),
        (quoted(answer) != quoted(reference) and "words" in rules, "The words are others.", False),
    )
    found = next((verdict for verdict in verdicts if verdict[0]), None)
    if found is not None:
        return found[1:]
    return ("What the reference names is named." if wanted & named else "Both are unpleasant, so they agree."), True


def says(sign: str, text: str) -> bool:
    return re.search(sign, text, re.IGNORECASE) is not None


def named_in(text: str, rules: set[str]) -> set[str]:
    """The emotions, genders and numbers that a text names."""
    found = set()
    for name, plain in PLAIN.items():
        words = plain.split() + (SYNONYMS.get(name, "").split() if "synonyms" in rules else [])
        known = [word for word in words if word.isascii() or "languages" in rules]
        if any(re.search(rf"\b{word}\b" if word.isascii() else word, text, re.IGNORECASE) for word in known):
            found.add(name)
    return found


def quoted(text: str) -> list[str]:
    """What stands between quotation marks, where a sentence says what was said."""
    return [found.group() for found in QUOTED.finditer(text)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._say({"object": "list", "data": [{"id": "rules", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._say(completion(body))

    def _say(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Quiet."""


def completion(body: dict[str, Any]) -> dict[str, Any]:
    """What the endpoint answers to a request of `cpbench`: the reason, and a score of the scale that was asked for."""
    system = "\n".join(str(one["content"]) for one in body["messages"] if one["role"] == "system")
    said = str(body["messages"][-1]["content"])
    given, _ = json.JSONDecoder().raw_decode(said, said.index("{\n"))
    scale = body["response_format"]["json_schema"]["schema"]["properties"]["score"]["enum"]
    reason, right = judged(system, given)
    text = json.dumps({"reason": reason, "score": max(scale) if right else min(scale)})
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    used = {"prompt_tokens": len(system + said) // 4, "completion_tokens": len(text) // 4}
    usage = {**used, "total_tokens": sum(used.values())}
    head = {"id": "rules", "object": "chat.completion", "created": 0, "model": "rules"}
    return {**head, "choices": [choice], "usage": usage}


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    server = Server(("127.0.0.1", parser.parse_args().port), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

"""A brace scanner: where the functions of a C++ file begin and end, and where its coroutines are."""

import dataclasses
import re

TYPE_HEAD = re.compile(r"\b(?:namespace|class|struct|union|enum)\b|\bextern\s*\"")
CONTROL = re.compile(r"\b(?:if|for|while|switch|catch|do|else|try)\b")
AWAITS = re.compile(r"\bco_(?:await|return|yield)\b")
LAMBDA = re.compile(r"(?<![\w\])])\[([^\[\]]*)\]\s*(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?\s*(?:mutable\s*|noexcept\s*|->\s*[\w:<>,\s&*]+)*\{")


@dataclasses.dataclass(frozen=True)
class Function:
    head: str
    begin: int  # offset of the head's first character
    body: int  # offset of the opening brace
    end: int  # offset of the closing brace

    @property
    def name(self):
        found = re.search(r"([\w:~]+)\s*\(", self.head)
        return found.group(1) if found else self.head.strip()[:40]


def closing_brace(code, opening):
    depth = 0
    for offset in range(opening, len(code)):
        if code[offset] == "{":
            depth += 1
        elif code[offset] == "}":
            depth -= 1
            if depth == 0:
                return offset
    return len(code) - 1


def functions_of(code):
    """The functions at namespace and class level; what stands inside a function belongs to it."""
    found = []
    offset, head_begin = 0, 0
    while offset < len(code):
        letter = code[offset]
        if letter == "#" and code[:offset].rpartition("\n")[2].strip() == "":
            offset = code.find("\n", offset)
            if offset < 0:
                break
            head_begin = offset + 1
        elif letter in ";}":
            head_begin = offset + 1
        elif letter == "{":
            head = code[head_begin:offset]
            if TYPE_HEAD.search(head) and not re.search(r"\)\s*(?:const|noexcept|override|final|\s)*$", head):
                head_begin = offset + 1  # go on inside a namespace or a type
            else:
                opening, end = offset, closing_brace(code, offset)
                offset = end
                # What follows the brace of a member's initialiser is still the head of its constructor.
                is_initialiser = code[end + 1 : end + 80].lstrip().startswith((",", "{"))
                if not is_initialiser:
                    if "(" in head and not re.search(r"=\s*$", head):
                        begin = head_begin + len(head) - len(head.lstrip())
                        found.append(Function(head.strip(), begin, opening, end))
                    head_begin = end + 1
        offset += 1
    return found


def lambdas_of(code):
    """(captures, offset, body) of every lambda."""
    for match in LAMBDA.finditer(code):
        opening = match.end() - 1
        yield match.group(1).strip(), match.start(), code[opening : closing_brace(code, opening) + 1]


def without_lambdas(body):
    """A body with the lambdas inside it blanked: what they hold is theirs."""
    for _, _, inner in list(lambdas_of(body)):
        body = body.replace(inner, re.sub(r"[^\n]", " ", inner))
    return body


def coroutines_of(code):
    for function in functions_of(code):
        body = without_lambdas(code[function.body : function.end + 1])
        if AWAITS.search(body):
            yield function, body

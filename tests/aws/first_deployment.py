"""The first deployment to an AWS account: deploys, uploads, checks, reports and removes."""

import argparse
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

import boto3

import videos
from claims import CLAIMS
from stack import Stack
from system import System


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/aws/run", description=__doc__)
    parser.add_argument("--stack", default="video-first-deployment", help="name of the stack (default: %(default)s)")
    parser.add_argument("--template", type=Path, help="a template that `sam build` has made; otherwise it is built now")
    parser.add_argument("--architecture", choices=["arm64", "x86_64"], default="arm64", help="default: %(default)s")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="of template.yaml")
    parser.add_argument("--keep", action="store_true", help="remove nothing at the end")
    return parser.parse_args()


@contextmanager
def step(what: str):
    """Says what is being done, and how long it took."""
    print(f"{what} …", flush=True)
    start = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - start:.0f} s", flush=True)


def check(system: System) -> int:
    """Checks every claim, prints the report and returns how many do not hold."""
    failed = 0
    for claim in CLAIMS:
        sentence = claim.__doc__
        try:
            remark = claim(system)
            print(f"  holds   {sentence}" + (f" ({remark})" if remark else ""), flush=True)
        except Exception as error:  # Whatever it is, the other claims are checked, too.
            failed += 1
            print(f"  FAILED  {sentence}\n          {describe(error)}", flush=True)
    return failed


def describe(error: Exception) -> str:
    if isinstance(error, AssertionError):
        return str(error)
    return traceback.format_exception_only(error)[-1].strip()


def use(stack: Stack) -> int:
    """Uploads the videos, and returns how many claims do not hold."""
    system = System(stack)
    with step("Encoding five videos"):
        made = videos.make(stack.directory)
    with step("Uploading them"):
        for video in made:
            system.upload(video)
    with step("Waiting for their results"):
        system.wait_for_results()
    print("Claims:")
    return check(system)


def main() -> int:
    chosen = arguments()
    identity = boto3.client("sts").get_caller_identity()
    stack = Stack(chosen.stack, chosen.template, [f"Architecture={chosen.architecture}", *chosen.parameter])
    print(f"Account {identity['Account']}, region {stack.region}, stack {stack.name}")
    stack.must_be_new()
    try:
        with step("Building and deploying"):
            stack.deploy()
        failed = use(stack)
    finally:
        if not chosen.keep:
            with step("Removing everything"):
                stack.remove()
    print(f"{len(CLAIMS) - failed} of {len(CLAIMS)} claims hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

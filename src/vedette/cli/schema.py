"""``vedette schema``: the shape of the document for editors and for Kubernetes."""

import argparse
import json
import sys

from vedette.spec import reference, schema

NAME = "schema"
HELP = "print the shape of the document as JSON Schema, or as a Kubernetes CRD"


def arguments(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--crd", action="store_true", help="print the CustomResourceDefinition (YAML)")
    form.add_argument("--reference", action="store_true", help="print a reference of every key (Markdown)")
    parser.epilog = """\
examples:
  vedette schema > vedette.schema.json           then put this line at the top of your document:
                                                 # yaml-language-server: $schema=vedette.schema.json
  vedette schema --crd | kubectl apply -f -
  vedette schema --reference | less"""


def run(args: argparse.Namespace) -> int:
    if args.crd:
        sys.stdout.write(schema.crd_text())
    elif args.reference:
        print(reference.reference())
    else:
        print(json.dumps(schema.json_schema(), indent=2, ensure_ascii=False))
    return 0

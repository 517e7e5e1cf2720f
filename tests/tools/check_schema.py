# SPDX-License-Identifier: Apache-2.0
"""check_schema.py SCHEMA NNCF_CONFIG CASES...: the schema is one, and it finds good and bad what the library finds so.

Skipped (77) without the Python package jsonschema.
"""
import json
import re
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    print("jsonschema is not installed: skipped")
    sys.exit(77)

with open(sys.argv[1], encoding="utf-8") as schema_file:
    schema = json.load(schema_file)
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
program = sys.argv[2]


def library_takes(text):
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as config:
        config.write(text)
        config.flush()
        result = subprocess.run([program, "check", config.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return result.returncode == 0


failures = good = 0
for name in sys.argv[3:]:
    with open(name, encoding="utf-8") as cases:
        text = cases.read()
    for title, config in re.findall(r"^=== (.*)\n((?:.*\n)*?)---\n", text, re.M):
        good += 1
        errors = [error.message for error in validator.iter_errors(json.loads(config))]
        if errors or not library_takes(config):
            print(f"{title}: {errors or 'the library does not take it'}")
            failures += 1

QUANTIZATION = {"algorithm": "quantization"}
MAGNITUDE = {"algorithm": "magnitude_sparsity"}
bad = [
    {"algorithm": "quantization"},
    {"compression": 3},
    {"compression": [{}]},
    {"compression": {"algorithm": "rb_sparsty"}},
    {"compression": {"algorithm": "rb_sparsity", "params": {"sparsity_traget": 0.5}}},
    {"compression": {"algorithm": "rb_sparsity", "params": {"sparsity_target": 1}}},
    {"compression": {"algorithm": "rb_sparsity", "params": {"sparsity_steps": -1}}},
    {"compression": {"algorithm": "rb_sparsity", "params": {"schedule": "cubic"}}},
    {"compression": {"algorithm": "const_sparsity", "params": {"power": 1}}},
    {"compression": {**MAGNITUDE, "weight_importance": "L1"}},
    {"compression": {**MAGNITUDE, "params": {"steps": ["1"]}}},
    {"compression": {**MAGNITUDE, "ignored_scopes": [1]}},
    {"compression": {**MAGNITUDE, "target_scopes": []}},
    {"compression": {**QUANTIZATION, "weights": {"bits": 9}}},
    {"compression": {**QUANTIZATION, "weights": {"mode": "linear"}}},
    {"compression": {**QUANTIZATION, "activations": {"signed": 1}}},
    {"compression": {**QUANTIZATION, "initializer": {"range": {"type": "max"}}}},
    {"compression": {**QUANTIZATION, "initializer": {"range": [{"target_quantizer_group": "all"}]}}},
    {"compression": {**QUANTIZATION, "initializer": {"precision": {"bitwidth_per_scope": [[4]]}}}},
    {"compression": {**QUANTIZATION, "overflow_fix": "on"}},
    {"compression": {**QUANTIZATION, "quantize_inputs": "yes"}},
    {"compression": {"algorithm": "filter_pruning", "params": {"filter_importance": "L3"}}},
    {"compression": {"algorithm": "binarization", "mode": "ternary"}},
    {"target_device": "TPU", "compression": [QUANTIZATION]},
]
for config in bad:
    if validator.is_valid(config) or library_takes(json.dumps(config)):
        print(f"found good: {config}")
        failures += 1
print(f"{good} good configs, {len(bad)} bad ones, {failures} failures")
sys.exit(1 if failures or good < 60 else 0)

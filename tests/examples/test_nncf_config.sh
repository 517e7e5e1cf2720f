#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test_nncf_config.sh PROGRAM DOCUMENT: nncf-config does what it says, and its exit status says so.
program=$(realpath "$1") document=$(realpath "$2")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
fail() {
  echo "FAIL: $1"
  failures=$((failures + 1))
}
expect() { # STATUS PATTERN_OF_STDOUT PATTERN_OF_STDERR ARGUMENT...
  status=$1 out=$2 err=$3
  shift 3
  "$program" "$@" >out 2>err
  actual=$?
  [ "$actual" = "$status" ] || fail "$*: exit $actual"
  [ -z "$out" ] || grep -q -e "$out" out || fail "$*: stdout: $(cat out)"
  [ -z "$err" ] || grep -q -e "$err" err || fail "$*: stderr: $(cat err)"
}
expect_empty() { [ ! -s "$1" ] || fail "$1 is not empty: $(cat "$1")"; }

# the JSON block of NNCF's own document
sed -n '/^```yaml/,/^```/p' "$document" | sed '1d;$d' >seed.json
cat >later.json <<'EOF'
{
    "target_device": "CPU",
    "compression": [
        { "algorithm": "magnitude_sparsity", "sparsity_init": 0.1, "params": { "sparsity_target_epoch": 4 } },
        { "algorithm": "quantization", "initializer": { "precision": { "type": "autoq" } } }
    ]
}
EOF
printf '{\n "compression": {"algorithm": "rb_sparsity", "parms": {}}\n}\n' >wrong.json

expect 0 '^seed.json: valid, NNCF 1.1$' '' check seed.json
expect_empty err
expect 0 '^later.json: valid, NNCF 1.6$' '^note: later.json:5:80: compression\[1\].initializer.precision.type: not supported yet' check later.json
expect 1 'seed.json: valid' '^wrong.json:2:46: compression.parms: unknown key; did you mean "params"' check seed.json wrong.json
expect 1 '"valid": false, "errors": \[{"status": "NNCF_E_CONFIG", "line": 2, "column": 46' 'wrong.json' check --json wrong.json
expect 1 '' 'cannot open none.json' check none.json
expect_empty out
# every mistake, in the order of the file
cat >many.json <<'EOF'
{
    "compression": [
        { "algorithm": "rb_sparsity", "params": { "power": 0, "shedule": "polynomial" } },
        { "algorithm": "quantization", "weights": { "bits": 9 } }
    ],
    "target_device": "cpu"
}
EOF
expect 1 '' '' check many.json
expect_empty out
[ "$(cut -d: -f2 err | tr '\n' ' ')" = '3 3 4 6 ' ] || fail "mistakes of many.json: $(cat err)"
expect 1 '"line": 3,.*"line": 3,.*"line": 4,.*"line": 6,.*}\]}\]$' '' check --json many.json
expect 1 '"errors": \[{"status": "NNCF_E_IO"' '' check --json none.json
printf '{ "compression": { "algorithm": "rb_sparsity", } x\n' >syntax.json
expect 1 '' '^syntax.json:1:50: ' check syntax.json
expect 0 '^compression\[0\].params.sparsity_steps = 5  *# line 30$' '' explain seed.json
expect 0 '^compression\[1\].weights.bits = 8  *# default of NNCF 1.1$' '' explain seed.json
expect 0 '^compression\[0\].params.sparsity_steps = 4  *# line 4, from compression\[0\].params.sparsity_target_epoch$' '' \
  explain later.json
expect 0 '"origin": "translated",' '' explain --json later.json
expect 0 '^nncf_dialect = "2.4"' '' explain --dialect 2.4 later.json
expect 0 '"nncf_dialect": "1.1"' '' dump seed.json
expect 0 '"sparsity_target_epoch": 5' '' migrate seed.json
# Counts of NNCF itself for these models, from its reference graphs: 1.1 by patterns, 1.3 on a CPU
# by propagation. The seed's ignored scope leaves 52 of 53 layers to sparsity.
expect 0 '^masks 52, quantizers of weights 53, of inputs 1, of activations 64;' '' plan seed.json --model mobilenetv2
expect 0 '"weight_quantizers": *53, *"input_quantizers": *1, *"activation_quantizers": *63' 'matches no registered layer' \
  plan --json seed.json --model mobilenet_v2
expect 0 'of weights 21, of inputs 1, of activations 29;' '' plan seed.json --model resnet18
expect 0 'of weights 54, of inputs 1, of activations 70;' '' plan seed.json --model resnet50
printf '{"hw_config_type": "cpu", "compression": {"algorithm": "quantization"}}\n' >cpu.json
# by propagation NNCF counts 30 activations: the model's input is one of them
expect 0 'of weights 21, of inputs 1, of activations 29;' '' plan cpu.json --model resnet18
expect 0 '^ResNet/Sequential.layer4.*/__iadd___0  *inner ' '' plan cpu.json --model resnet18
# lines of level ERROR are shown too; nothing is said to be the nearest where nothing is near
printf '{"nncf_dialect": "2.4", "compression": {"algorithm": "rb_sparsity", "ignored_scopes": ["?!"]}}\n' >strict.json
expect 1 '' '^error: compression\[0\].ignored_scopes\[0\]: "?!" matches no registered layer$' plan strict.json --model resnet18
grep -q '; the first is "?!"; the log names all$' err || fail "plan strict.json: stderr: $(cat err)"
printf '{"algorithm": "quantization"}\n' >root.json
expect 1 '' '^root.json:1:2: algorithm: no algorithm is read here; put it' check root.json
printf '{"compression": {"algorithm": "quantization",\n"ignored_scopes": "{re}(unclosed"}}\n' >unclosed.json
expect 1 '' '^unclosed.json:2:19: compression.ignored_scopes: "(unclosed" is not a regular expression' check unclosed.json
mkfifo fifo
expect 1 '' 'cannot read fifo: it is a FIFO' check fifo
expect 1 '' 'later.json:5:80: compression\[1\].initializer.precision.type: not supported yet' plan later.json --model resnet18
expect 1 '' 'no model "vgg"; --model is one of: mobilenetv2' plan seed.json --model vgg
expect 1 '' 'plan takes one file' plan seed.json cpu.json
expect 0 '^masks 52, quantizers of weights 53, of inputs 1, of activations 64;' '' plan seed.json
expect 1 '' 'the config names no "model": say with --model which, one of: mobilenetv2' plan cpu.json
expect 1 '' 'dialect "4.0" is no NNCF release' check --dialect 4.0 seed.json
expect 1 '' 'there is no command frobnicate' frobnicate seed.json
expect 1 '' 'no file given' explain
expect 1 '' 'no command given'
expect 1 '' 'unknown option' check --frob seed.json
expect 0 'usage: nncf-config' '' --help
expect 0 '^nncf-config [0-9]' '' --version

# What is migrated is valid, of 2.17. Migrating it again writes out defaults of 2.17's own keys, and then nothing changes.
for name in seed later; do
  "$program" migrate $name.json >new.json || fail "migrate $name"
  expect 0 'new.json: valid, NNCF 2.17' '' check new.json
  "$program" migrate new.json >newer.json || fail "migrate the migrated $name"
  "$program" migrate newer.json >newest.json || fail "migrate $name a third time"
  cmp newer.json newest.json || fail "$name: migrated again is another config"
done
[ "$failures" = 0 ] || exit 1

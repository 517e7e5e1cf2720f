# SPDX-License-Identifier: Apache-2.0
# Completion in bash for nncf-config, nncf-classification and nncf-report: what their --help lists, so that it is never behind.
_nncf_complete() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} help kind=
  help=$("$1" --help 2>/dev/null) || return 0
  [[ $previous != --* ]] || kind=$(sed -n "s/^  $previous \([A-Z][A-Z]*\) .*/\1/p" <<<"$help")
  COMPREPLY=()
  if [[ $kind == DIR ]]; then
    mapfile -t COMPREPLY < <(compgen -d -- "$current")
  elif [[ -n $kind && $kind != FILE ]]; then
    : # a number or a name
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(sed -n 's/^  \(--.*\)/\1/p' <<<"$help" | grep -oE -- '^--[a-z-]+|, --[a-z]+' | tr -d ', ')" -- "$current")
  elif [[ $COMP_CWORD == 1 && $help == *COMMAND* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' <<<"$help")" -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -o filenames -F _nncf_complete nncf-config nncf-classification nncf-report

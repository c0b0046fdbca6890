fluid_inside() (
  [ -e "$1/$2" ] || exit 1
  [ -n "$2" ] || exit 0
  at=$1/$2
  if [ ! -d "$at" ]; then
    [ ! -L "$at" ] || exit 1
    at=${at%/*}
  fi
  cd -P "$at" || exit 1
  case "$PWD/" in "$1"/*) exit 0 ;; esac
  exit 1
)
fluid_mounted() (
  while read -r id parent device root at rest; do
    [ "$at" = "$1" ] || continue
    case "${rest#* - }" in *"$2"*) fluid_inside "$1" "$3" && exit 0 ;; esac
  done </proc/self/mountinfo
  exit 1
)

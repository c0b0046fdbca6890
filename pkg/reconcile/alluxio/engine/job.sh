# Runs operations of Alluxio, separated by ";", one after the other, and writes what came of each into the termination message.
# Arguments: seconds for each operation, options of the shell's JVM separated by blanks, operations.
limit=$1 java=$2
shift 2
message=${MESSAGE:-/dev/termination-log}
alluxio=${ALLUXIO:-/opt/alluxio/bin/alluxio}
output=${TMPDIR:-/tmp}/output
result='' failed=0 secrets=''

# How many operations there are: each may say as much.
operations=1
for word in "$@"; do [ "$word" = ';' ] && operations=$((operations + 1)); done
most=$((3500 / operations))

# hide takes the contents of the Secrets out of $text.
hide() {
  for file in $secrets; do
    secret=$(cat "$file")
    [ -n "$secret" ] || continue
    hidden='' rest=$text
    while :; do
      case $rest in
        *"$secret"*) hidden="$hidden${rest%%"$secret"*}***" rest=${rest#*"$secret"} ;;
        *) break ;;
      esac
    done
    text=$hidden$rest
  done
}

# flatten makes one line of $text, and not more than it may have.
flatten() {
  flat=''
  while IFS= read -r row || [ -n "$row" ]; do
    case $row in *[![:space:]]*) flat="$flat${flat:+ }$row" ;; esac
  done <<EOF
$text
EOF
  text=$flat
  while [ ${#text} -gt $most ]; do text=${text#?????}; done
}

# call runs Alluxio's shell for a bounded time; its output is in $output.
call() {
  : >"$output"
  # shellcheck disable=SC2086
  "$alluxio" fs $java "$@" >"$output" 2>&1 &
  process=$!
  (sleep "$limit" && kill -9 $process) >/dev/null 2>&1 &
  guard=$!
  wait $process 2>/dev/null
  code=$?
  kill $guard 2>/dev/null
  if [ $code -eq 137 ]; then echo "no answer within $limit seconds" >>"$output"; fi
  return $code
}

# counted prints what Alluxio's shell counted: the last line with three numbers.
counted() {
  while read -r files folders bytes _; do
    case $files$folders$bytes in *[!0-9]*|'') ;; *) [ -n "$bytes" ] && last="$files $folders $bytes" ;; esac
  done <"$output"
  echo "$last"
}

# one runs one operation and sets $line.
one() {
  verb=$1 path=$2
  shift 2
  case $verb in
    count) call ls -R "$path" && call count "$path" ;;
    remount) call mount --remount "$@" ;;
    *) call "$verb" "$@" ;;
  esac
  if [ $? -eq 0 ]; then
    line="ok $verb $path"
    [ "$verb" = count ] && line="$line $(counted)"
    return 0
  fi
  text=$(cat "$output")
  hide
  flatten
  line="failed $verb $path $text"
  return 1
}

# prepare turns an operation's words into those of Alluxio's shell, with the contents of Secrets, and runs it.
prepare() {
  verb=$1 path=$2
  shift
  # Flags come before the paths. Each word is put behind the others, so that after all of them the order is as before.
  first=$1 second=''
  shift
  case $verb in *mount) [ "$verb" = unmount ] || { second=$1; shift; } ;; esac
  remaining=$#
  while [ $remaining -gt 0 ]; do
    word=$1
    shift
    remaining=$((remaining - 1))
    if [ "$word" = --option-from ]; then
      option=$1
      shift
      remaining=$((remaining - 1))
      file=${option#*=}
      if ! [ -r "$file" ]; then
        key=${file##*/} file=${file%/*}
        line="failed $verb $path Secret ${file##*/} doesn't exist, or has no key $key"
        return 1
      fi
      secrets="$secrets $file"
      set -- "$@" --option "${option%%=*}=$(cat "${option#*=}")"
    else
      set -- "$@" "$word"
    fi
  done
  set -- "$@" "$first" ${second:+"$second"}
  one "$verb" "$path" "$@"
}

while [ $# -gt 0 ]; do
  size=0
  for word in "$@"; do
    [ "$word" = ';' ] && break
    size=$((size + 1))
  done
  # The operation's words are put behind all others; what is before them is dropped in the subshell.
  line=$(
    total=$# moved=0
    while [ $moved -lt $size ]; do
      word=$1
      shift
      set -- "$@" "$word"
      moved=$((moved + 1))
    done
    shift $((total - size))
    prepare "$@"
    code=$?
    printf %s "$line"
    exit $code
  ) || failed=1
  result="$result$line
"
  printf %s "$result" >"$message"
  shift $size
  [ $# -gt 0 ] && shift
done
exit $failed

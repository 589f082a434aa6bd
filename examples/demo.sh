# What the run scripts of the examples share. Each sets $name, $usage, and $flags with their
# variables as defaults, then calls `read_flags "$@"` and `read_demo`.
# shellcheck shell=sh disable=SC2154,SC2034,SC1090

root=$(cd "$here/../.." && pwd) || exit 1
env=.doornail/env

fail() {
    printf '%s: %s\n' "$name" "$1" >&2
    exit 1
}

wrong() {
    printf '%s: %s\n\n%s\n' "$name" "$1" "$usage" >&2
    exit 2
}

# Puts each flag's value into the variable of its name.
read_flags() {
    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help)
            printf '%s\n' "$usage"
            exit 0
            ;;
        --*)
            flag=${1%%=*} && flag=${flag#--}
            case $flag in *[!a-z]*) wrong "there is no flag --$flag" ;; esac
            case " env $flags " in
            *" $flag "*) ;;
            *) wrong "there is no flag --$flag" ;;
            esac
            case $1 in
            *=*) value=${1#*=} ;;
            *)
                [ $# -ge 2 ] || wrong "--$flag needs a value"
                value=$2
                shift
                ;;
            esac
            shift
            [ -n "$value" ] || wrong "--$flag is empty"
            eval "$flag=\$value"
            ;;
        *) wrong "there is no argument '$1'" ;;
        esac
    done
    case $port in *[!0-9]* | ??????*) wrong "--port $port is no port" ;; esac
    if [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then wrong "--port $port is no port"; fi
}

# Reads where Doornail is and its demo's secrets, unless the environment says it already.
read_demo() {
    if [ -z "${DOORNAIL_ISSUER-}" ]; then
        [ -r "$env" ] || fail "there is no $env: start 'make run' in another terminal, and run this \
in the same folder, or name the file with --env"
        case $env in
        /*) . "$env" ;;
        *) . "./$env" ;;
        esac
    fi
    if [ -z "${DOORNAIL_ISSUER-}" ] || [ -z "${DEMO_APP_SECRET-}" ] ||
        [ -z "${DEMO_API_SECRET-}" ]; then
        fail "the environment is not that of 'doornail dev': DOORNAIL_ISSUER, DEMO_APP_SECRET and \
DEMO_API_SECRET are needed"
    fi
    export DOORNAIL_ISSUER
    # What the API's tokens are made out to.
    AUDIENCE=${AUDIENCE:-https://api.demo.example}
    export AUDIENCE
    curl -s -o /dev/null --max-time 3 "$DOORNAIL_ISSUER/jwks.json" ||
        echo "$name: Doornail does not answer at $DOORNAIL_ISSUER: is 'make run' running?" >&2
}

# Exit code 0 if a file in the folder $1 has settings, or cannot be read, which has to be reported; 1 if there are only
# comments. The names, and what a setting is in a file of another name, are those of logger/install/card.py.
export LC_ALL=C
for file in "$1"/[Ss][Tt][Aa][Gg][Ee][Ll][Oo][Gg]-[Ss][Ee][Tt][Tt][Ii][Nn][Gg][Ss]* "$1"/[Ss][Tt][Aa][Gg][Ee][Ll]~[0-9]*; do
    case $file in
    *~ | *.[Bb][Aa][Kk]) continue ;; # the backup of an editor
    esac
    [ -e "$file" ] || continue
    # Without the mark of a Windows editor; an old Mac ends its lines with \r alone.
    { sed -e '1s/^\xef\xbb\xbf//' -e 's/\r/\n/g' "$file" || echo unreadable; } 2>/dev/null |
        grep -aq "^[[:space:]]*[^#[:space:]]" && exit 0
done
# Settings under a name of one's own are reported once.
result=$1/stagelog-result.txt
for file in "$1"/*.[Tt][Xx][Tt] "$1"/*.[Tt][Ee][Xx][Tt] "$1"/*.[Tt][Oo][Mm][Ll] "$1"/*.[Ii][Nn][Ii] "$1"/*.[Cc][Ff][Gg] \
    "$1"/*.[Cc][Oo][Nn][Ff]; do
    case ${file##*/} in
    [Ss][Tt][Aa][Gg][Ee][Ll][Oo][Gg]-[Ss][Ee][Tt][Tt][Ii][Nn][Gg][Ss]* | [Ss][Tt][Aa][Gg][Ee][Ll]~* | stagelog-result.txt) continue ;;
    esac
    [ -f "$file" ] || continue
    head -c 65536 "$file" 2>/dev/null | tr -d '\0' | tr '\r' '\n' |
        grep -aqiE '^[^[:alnum:]_#]*(number|pin|gps_port|can_port|protocol|bitrate|wifi_name|wifi_password|wifi_country|wifi_channel)[[:blank:]]*[=:]' &&
        ! grep -aqF "${file##*/}: " "$result" 2>/dev/null && exit 0
done
exit 1

# Exit code 0 if a file in the folder $1 has settings, or cannot be read, which has to be reported; 1 if there are only
# comments. The names are those of logger/install/card.py.
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
exit 1

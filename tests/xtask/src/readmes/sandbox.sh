# What surrounds the clone, in namespaces that end with the shell. Of the machine it changes nothing.
mount -t proc proc /proc
ip link set lo up
# A LAN, for macvlan: nobody else is on it.
ip link add eth0 type veth peer name lan0
ip link set eth0 up
ip link set lan0 up
mkdir "$FILES/tmp" "$FILES/upper" "$FILES/work" "$FILES/store"
chmod 1777 "$FILES/tmp"
mount -t overlay overlay -o "lowerdir=/usr/local,upperdir=$FILES/upper,workdir=$FILES/work" /usr/local
# Always the same path, or cargo would build the clone anew each time; and not below /tmp, which is replaced.
mount --bind "$FILES" /srv

# Docker Hub as far as the READMEs need it, with a certificate of its own.
printf '127.0.0.1 localhost registry-1.docker.io auth.docker.io index.docker.io\n' >/srv/hosts
mount --bind /srv/hosts /etc/hosts
cd /srv
key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
openssl req -x509 $key -keyout ca.key -out ca.crt -days 2 -subj /CN=readmes 2>/dev/null
echo subjectAltName=DNS:registry-1.docker.io,DNS:auth.docker.io,DNS:index.docker.io >names
openssl req $key -keyout hub.key -out hub.csr -subj /CN=hub 2>/dev/null
openssl x509 -req -in hub.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out hub.crt 2>/dev/null
cat >hub.yml <<END
version: 0.1
storage: {filesystem: {rootdirectory: /srv/store}}
http: {addr: "127.0.0.1:443", tls: {certificate: /srv/hub.crt, key: /srv/hub.key}}
END
OTEL_TRACES_EXPORTER=none docker-registry serve hub.yml >hub.log 2>&1 &
export SSL_CERT_FILE=/srv/ca.crt
until curl -s "https://registry-1.docker.io/v2/" >/dev/null; do sleep 0.1; done
for image in debian alpine; do
    skopeo --insecure-policy copy --quiet "oci:$IMAGES/$image:latest" "docker://$image"
done

git -c safe.directory='*' clone --quiet --no-hardlinks "$ROOT" /srv/hull
cd /srv/hull
# What an earlier clone has built is found again. Not what the workspace has: cargo takes the two for one, and programs
# that know where their sources are would look for them in the clone.
mkdir -p "$TARGET" target /srv/programs
# Mounted, because either may be below /tmp.
mount --bind "$TARGET" target
mount --bind "$PROGRAMS" /srv/programs
mount --bind /srv/tmp /tmp
# Wide enough for every line.
stty cols 300 rows 50
# A session of its own: job control takes the numbers that processes have in here.
exec setsid -c bash --norc --noprofile -i

package scenarios

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const exampleSystem = "{base_url: https://arq.example.com, username: ${ARQ_USERNAME}, password: ${ARQ_PASSWORD}}"

// account says where the system section stands, and whether its username and password
// could be read.
type account struct {
	node               *node
	username, password bool
}

// system reads the system section.
func (r *reader) system(n *node, s *System) account {
	o, ok := r.object(n, "system", exampleSystem, "base_url", "username", "password", "postgres", "redis", "http2", "ca_file",
		"postgres_replica", "redis_probe_key", "hosts", "metrics")
	if !ok {
		return account{}
	}
	a := account{node: n, username: !o.refused("username"), password: !o.refused("password")}
	if v := o.need("base_url", "base_url: https://arq.example.com"); v != nil {
		s.BaseURL = r.baseURL(v, o.at("base_url"))
	}
	if v := o.get("username"); v != nil {
		s.Username, a.username = r.text(v, o.at("username"))
	}
	if v := o.get("password"); v != nil {
		var text string
		text, a.password = r.text(v, o.at("password"))
		s.Password = NewSecret(text)
	}
	if v := o.get("postgres"); v != nil {
		s.Postgres = r.connection(v, o.at("postgres"), checkPostgres)
	}
	if v := o.get("redis"); v != nil {
		s.Redis = r.connection(v, o.at("redis"), checkRedis)
	}
	if v := o.get("postgres_replica"); v != nil {
		s.PostgresReplica = r.connection(v, o.at("postgres_replica"), checkPostgres)
	}
	if v := o.get("redis_probe_key"); v != nil {
		s.RedisProbeKey, _ = r.text(v, o.at("redis_probe_key"))
	}
	s.Hosts = r.endpoints(o, "hosts", "[local, http://db.example.com:9100/metrics]", LocalHost)
	s.Metrics = r.endpoints(o, "metrics", "[http://app.example.com:8080/metrics]")
	if v := o.get("http2"); v != nil {
		s.HTTP2, _ = value(r, v, o.at("http2"), parseBool)
	}
	if v := o.get("ca_file"); v != nil {
		s.CAFile, _ = r.text(v, o.at("ca_file"))
	}
	return a
}

// Missing returns the first field that a collector's metric needs and that is not set:
// that of its [Definition], or the primary whose replicas are watched. Empty: none is.
func (s System) Missing(field string) string {
	switch {
	case field == "postgres" && s.Postgres.IsZero(), field == "redis" && s.Redis.IsZero(),
		field == "hosts" && len(s.Hosts) == 0, field == "metrics" && len(s.Metrics) == 0,
		field == "postgres_replica" && s.PostgresReplica.IsZero(), field == "redis_probe_key" && s.RedisProbeKey == "":
		return field
	case field == "postgres_replica":
		return s.Missing("postgres")
	case field == "redis_probe_key":
		return s.Missing("redis")
	}
	return ""
}

// baseURL reads the base URL. Its problems do not show the value: it may hold a password.
func (r *reader) baseURL(n *node, path string) string {
	text, ok := r.text(n, path)
	if !ok {
		return ""
	}
	if r.offline && (text == "" || strings.Contains(text, Redacted)) {
		return text
	}
	if err := checkBaseURL(text); err != nil {
		r.problem(n, path, "%v", err)
		return ""
	}
	return strings.TrimRight(text, "/")
}

func checkBaseURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return errors.New("empty: write the address of the system, such as https://arq.example.com")
	case err != nil || u.Opaque != "" || u.Scheme == "":
		return errors.New("this is no URL: write scheme and host, such as https://arq.example.com")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the scheme is neither http nor https: write https://arq.example.com")
	case u.User != nil:
		return errors.New("the URL holds credentials: remove them and put them into username and password")
	case u.Hostname() == "":
		return errors.New("the URL has no host: write one, such as https://arq.example.com")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return errors.New("the URL has a query or a fragment: remove what follows ? or #, and write queries in the steps' paths")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return errors.New("the port is out of range: write one from 1 to 65535")
		}
	}
	return nil
}

// endpoints reads a list of URLs of Prometheus endpoints; names are words that stand for
// something else. An empty text, as a variable without a value gives, is left out.
func (r *reader) endpoints(o object, key, example string, names ...string) []string {
	v := o.get(key)
	if v == nil {
		return nil
	}
	items, ok := r.items(v, o.at(key), example)
	if !ok {
		return nil
	}
	var out []string
	for i, n := range items {
		path := fmt.Sprintf("%s[%d]", o.at(key), i)
		text, ok := r.text(n, path)
		if !ok || text == "" {
			continue
		}
		if !slices.Contains(names, text) && !(r.offline && strings.Contains(text, Redacted)) {
			if err := checkEndpoint(text, names...); err != nil {
				r.problem(n, path, "%v", err)
				continue
			}
		}
		if slices.Contains(out, text) {
			r.problem(n, path, "it is listed twice: remove one of the two")
			continue
		}
		out = append(out, text)
	}
	return out
}

func checkEndpoint(text string, names ...string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		or := ""
		if slices.Contains(names, LocalHost) {
			or = ", or " + LocalHost + " for the machine that arqload runs on"
		}
		return errors.New("this is no URL of a Prometheus endpoint: write http://host:9100/metrics" + or)
	case u.User != nil:
		return errors.New("the URL holds credentials, which would be in every report: remove them")
	case strings.Contains(text, "#"):
		return errors.New("the URL has a fragment: remove what follows #")
	}
	return nil
}

// connection reads a connection string, of which no problem shows anything.
func (r *reader) connection(n *node, path string, check func(string) error) Secret {
	text, ok := r.text(n, path)
	text = strings.TrimSpace(text)
	if !ok || text == "" {
		return Secret{}
	}
	if text != Redacted && !(r.offline && strings.Contains(text, Redacted)) {
		if err := check(text); err != nil {
			r.problem(n, path, "%v", err)
		}
	}
	return NewSecret(text)
}

// checkPostgres is a light check: the driver, which has the last word, is not imported
// here.
func checkPostgres(dsn string) error {
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		if _, err := url.Parse(dsn); err != nil {
			return errors.New("this is no URL: write postgres://user:password@host:5432/database, with special characters percent-encoded")
		}
		return nil
	}
	if key, _, ok := strings.Cut(dsn, "="); ok && variableName.MatchString(strings.TrimSpace(key)) {
		return nil
	}
	return errors.New("this is no connection string: write postgres://user:password@host:5432/database or host=... dbname=..., or leave it empty for no database figures")
}

func checkRedis(dsn string) error {
	for _, one := range strings.Split(dsn, ",") {
		one = strings.TrimSpace(one)
		u, err := url.Parse(one)
		if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Host == "" {
			return errors.New("this is no Redis URL: write redis://host:6379 or rediss://user:password@host:6379, several separated by commas for a cluster, or leave it empty for no cache figures")
		}
	}
	return nil
}

// Host returns the host of the base URL, with its port where it has one.
func (p *Plan) Host() string {
	u, err := url.Parse(p.System.BaseURL)
	if err != nil {
		return ""
	}
	return u.Host
}

// IsLoopback reports whether the base URL names this machine by a name or address that
// can mean nothing else: localhost, a name below it, 127.0.0.0/8 or ::1. No name is looked
// up.
func (p *Plan) IsLoopback() bool {
	u, err := url.Parse(p.System.BaseURL)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

package mask_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/mask"
)

// TestSecretsAreTakenOut: each line holds "S3cr3t" in one of the forms in which secrets turn up in logs and settings.
func TestSecretsAreTakenOut(t *testing.T) {
	for _, line := range []string{
		`connect postgres://ham:S3cr3t@192.0.2.1:5432/app failed`,
		`redis://:S3cr3t@192.0.2.1:6379`,
		`postgres://ham:a@S3cr3t@192.0.2.1/app`,
		`amqp://u:S3cr3t/x?y@host`,
		`primary_conninfo = 'host=192.0.2.1 user=rep password=S3cr3t application_name=b'`,
		`host=h password='S3cr3t with \' S3cr3t' dbname=x`,
		`password = "S3cr3t"`,
		`{"user":"ham","db_password":"S3cr3t","x":1}`,
		`{\"password\":\"S3cr3t\"}`,
		`PGPASSWORD=S3cr3t pg_dump`,
		`api_key: S3cr3t`, `API-KEY=S3cr3t`, `client_secret => S3cr3t`,
		`Authorization: Bearer S3cr3tS3cr3t`, `authorization: Digest username="x", response="S3cr3t"`,
		`curl -H 'X: bearer S3cr3tS3cr3t'`,
		`Set-Cookie: session=S3cr3t; Path=/; token2=S3cr3t`,
		`requirepass S3cr3t`, `masterauth "S3cr3t"`,
		`statement: ALTER ROLE ham PASSWORD 'S3cr3t'`, `CREATE USER x IDENTIFIED BY 'S3cr3t''S3cr3t'`,
		`mytool --db-password S3cr3t --fast`, `tool -token S3cr3t`,
		`rolpassword SCRAM-SHA-256$4096:S3cr3t$S3cr3t:S3cr3t`,
		`hash $argon2id$v=19$m=65536,t=3,p=4$S3cr3t$S3cr3t`,
		`jwt eyJhbGciOiJIUzI1NiJ9.S3cr3tS3cr3t.S3cr3t`,
		`slack xoxb-1234567890-S3cr3t`,
		"seed SUAAVFYMDU24QL7PVCGXHMOFYCGZ6JJFSUAKQPTPBRKYOBXMVA44S3QR2I token=S3cr3t",
		"password:\n  S3cr3t\nplain", "a plain line\nanother\npassword: S3cr3t\n\n\n\nplain\ntoken: S3cr3t",
		"-----BEGIN RSA PRIVATE KEY-----\nS3cr3t\nS3cr3t\n-----END RSA PRIVATE KEY-----",
		"S3cr3t\nS3cr3t\n-----END PRIVATE KEY-----\nafter",
		"before\n-----BEGIN OPENSSH PRIVATE KEY-----\nS3cr3t\nS3cr3t",
		"-----BEGIN PGP PRIVATE KEY BLOCK-----\nS3cr3t\n-----END PGP PRIVATE KEY BLOCK-----",
	} {
		got := mask.Text(line)
		require.NotContains(t, got, "S3cr3t", line)
		require.Contains(t, got, mask.Masked, line)
		require.Equal(t, got, mask.Text(got), "masked twice: %s", line)
	}
}

// TestWhatIsNoSecretStays: evidence that is masked away helps nobody.
func TestWhatIsNoSecretStays(t *testing.T) {
	for _, line := range []string{
		`FATAL:  password authentication failed for user "ham"`,
		`FATAL:  no pg_hba.conf entry for host "192.0.2.1", user "x", database "y", no encryption`,
		`could not write to file "pg_wal/xlogtemp.4711": No space left on device`,
		`2026-11-22 15:19:00.123 UTC [4711] LOG:  started streaming WAL from primary at 0/3000000 on timeline 2`,
		`http://192.0.2.1:8080/alive answered 503`, `tcp://192.0.2.1:9999 a@b`,
		`role:master connected_slaves:1 master_replid:8371445ee49fc9db5efbf1e3a0e2ea5e6bd1ba57`,
		`password=${file:/etc/ham/a.password}`,
		`a basic check`, `-----BEGIN CERTIFICATE-----`,
	} {
		require.Equal(t, line, mask.Text(line))
	}
	require.Equal(t, "before\n***\nafter", mask.Text("before\n-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\nafter"))
	require.Equal(t, "postgres://ham:***@192.0.2.1/app", mask.Text("postgres://ham:pw@192.0.2.1/app"))
}

func TestCleanLeavesNothingThatActs(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\nçãõ 日本 😀":                    "plain\ttext\nçãõ 日本 😀",
		"\x1b[31mred\x1b[0m":                       "red",
		"\x1b]0;title\x07x\x1b]8;;http://e\x1b\\y": "xy",
		"\x1bPq…\x1b\\z":                           "z",
		"\x1bcz":                                   "z",
		"a\x00b\x07c\x7f":                          "a\ufffdb\ufffdc\ufffd",
		"\u009b31mx\u0085":                         "x\ufffd",
		"a\u202etxt.exe\u2066":                     "a\ufffdtxt.exe\ufffd",
		"a\r\nb\rc":                                "a\nb\nc",
		"\xff\xc3":                                 "\ufffd",
		"\x1b":                                     "\ufffd",
		"a\u200bb\ufeff\u2028":                     "a\ufffdb\ufffd\ufffd",
	} {
		require.Equal(t, want, mask.Clean(in), "%q", in)
	}
}

func FuzzCleanAndText(f *testing.F) {
	f.Add("password=x\x1b[0m postgres://a:b@c -----BEGIN PRIVATE KEY-----")
	f.Fuzz(func(t *testing.T, s string) {
		got := mask.Clean(s)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x1b\x00\r\u009b\u202e") {
			t.Errorf("%q became %q", s, got)
		}
		if got != mask.Clean(got) {
			t.Errorf("%q is not clean at once", s)
		}
		if again := mask.Text(mask.Text(got)); again == "" && got != "" {
			t.Errorf("%q became nothing", got)
		}
	})
}

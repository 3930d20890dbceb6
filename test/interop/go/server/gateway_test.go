package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"go.etcd.io/etcd/server/v3/embed"

	"interop/process"
)

// gatewayCorpus is sent in this order to a member and to a real etcd, which answer the same, byte for byte.
// `{{` and `}}` around a body mean that only code and status of the refusal are compared: the parser's words
// are its own.
var gatewayCorpus = [][2]string{
	{"kv/put", `{"key":"Zm9v","value":"YmFy"}`},
	{"kv/put", `{"key":"Zm9v","value":"_-8","prevKv":true}`},
	{"kv/put", `{"key":"Zm8","value":"YQ","prev_kv":true,"unknown":{"a":[1,2]}}`},
	{"kv/put", `{"key":"Zm9v","ignore_value":true,"value":"YQ=="}`},
	{"kv/put", `{"key":"Zm9v","lease":"12"}`},
	{"kv/put", `{"value":"YQ=="}`},
	{"kv/put", ``},
	{"kv/put", `{"key":"YQ==","value":null,"lease":0}`},
	{"kv/put", `{"key":"Yg==","value":"YWI="} trailing`},
	{"kv/range", `{"key":"Zm9v"}`},
	{"kv/range", `{"key":"AA==","range_end":"AA=="}`},
	{"kv/range", `{"key":"AA==","rangeEnd":"AA==","limit":"2","sort_order":"DESCEND","sortTarget":"KEY"}`},
	{"kv/range", `{"key":"AA==","range_end":"AA==","limit":2.0,"sort_order":2,"sort_target":3,"keysOnly":true}`},
	{"kv/range", `{"key":"AA==","range_end":"AA==","count_only":true}`},
	{"kv/range", `{"key":"AA==","range_end":"AA==","sort_order":"SIDEWAYS"}`},
	{"kv/range", `{"key":"AA==","range_end":"AA==","sort_order":7}`},
	{"kv/range", `{"key":"Zm9v","revision":"1e1"}`},
	{"kv/range", `{"key":"Zm9v","revision":1e1}`},
	{"kv/range", `{"key":"Zm9v","revision":"-1","serializable":true}`},
	{"kv/range", `{"key":"bm9uZQ=="}`},
	{"kv/range", `{"key":"Zm9v\n"}`},
	{"kv/range", `{"key":"AA==","range_end":"AA==","min_mod_revision":"3","max_create_revision":4}`},
	{"kv/txn", `{"compare":[{"key":"Zm9v","target":"CREATE","create_revision":"2"}],"success":[{"request_put":{"key":"Zm9v","value":"dA=="}},{"requestRange":{"key":"Zm9v"}}],"failure":[{"request_range":{"key":"Zm9v"}}]}`},
	{"kv/txn", `{"compare":[{"key":"Zm9v","target":"VALUE","result":"NOT_EQUAL","value":""}],"success":[{"request_txn":{"success":[{"request_delete_range":{"key":"Zm8="}}]}}]}`},
	{"kv/txn", `{"compare":[{"key":"Zm9v","target":3,"result":1,"value":"YQ=="}],"failure":[{"request_delete_range":{"key":"YQ==","prev_kv":true}}]}`},
	{"kv/txn", `{"success":[{}]}`},
	{"kv/txn", `{"success":[{"request_put":{"key":"YQ=="}},{"request_put":{"key":"YQ=="}}]}`},
	{"kv/txn", `{}`},
	{"kv/deleterange", `{"key":"Yg==","prev_kv":true}`},
	{"kv/deleterange", `{"key":"Yg=="}`},
	{"kv/compaction", `{"revision":"99"}`},
	{"kv/compaction", `{"revision":"3","physical":true}`},
	{"kv/compaction", `{"revision":3}`},
	{"kv/range", `{"key":"Zm9v","revision":"2"}`},
	{"lease/grant", `{"TTL":"600","ID":"7"}`},
	{"lease/grant", `{"TTL":600,"ID":7}`},
	{"lease/grant", `{"TTL":"9000000001","ID":-8}`},
	{"kv/put", `{"key":"bA==","value":"YQ==","lease":"7"}`},
	{"kv/range", `{"key":"bA=="}`},
	{"lease/leases", `{}`},
	{"kv/lease/leases", ``},
	{"lease/timetolive", `{"ID":"8"}`},
	{"lease/keepalive", `{"ID":"7"}{"ID":8} {}`},
	{"lease/keepalive", ``},
	{"lease/revoke", `{"ID":"8"}`},
	{"kv/lease/revoke", `{"ID":"7"}`},
	{"cluster/member/update", `{"ID":"1","peerURLs":["http://127.0.0.1:1"]}`},
	{"cluster/member/remove", `{"ID":"1"}`},
	{"cluster/member/promote", `{"ID":"1"}`},
	{"maintenance/alarm", `{}`},
	{"maintenance/alarm", `{"action":"ACTIVATE","memberID":"5","alarm":"NOSPACE"}`},
	{"maintenance/alarm", `{"action":"GET"}`},
	{"maintenance/alarm", `{"action":"DEACTIVATE","memberID":"5","alarm":1}`},
	{"maintenance/hashkv", `{"revision":"99"}`},
	{"maintenance/hashkv", `{}`},
	{"maintenance/transfer-leadership", `{"targetID":"1"}`},
	{"maintenance/defragment", `{}`},
	{"maintenance/downgrade", `{"action":"VALIDATE","version":"9"}`},
	{"maintenance/downgrade", `{"action":"VALIDATE","version":"3.0"}`},
	{"auth/status", `{}`},
	{"auth/authenticate", `{"name":"root","password":"x"}`},
	{"lock/lock", `{"name":"bA==","lease":"99"}`},
	{"lock/unlock", `{}`},
	{"lock/unlock", `{"key":"bm9uZQ=="}`},
	{"election/leader", `{"name":"ZQ=="}`},
	{"election/proclaim", `{"value":"ZQ=="}`},
	{"election/resign", `{}`},
	{"lease/grant", `{"TTL":"600","ID":"77"}`},
	{"lock/lock", `{"name":"bA==","lease":"77"}`},
	{"lock/lock", `{"name":"bA==","lease":77}`},
	{"lock/unlock", `{"key":"bC80ZA=="}`},
	{"election/campaign", `{"name":"ZQ==","lease":"77","value":"dg=="}`},
	{"election/campaign", `{"name":"ZQ==","lease":"77","value":"dw=="}`},
	{"election/leader", `{"name":"ZQ=="}`},
	{"election/proclaim", `{"leader":{"name":"ZQ==","key":"ZS80ZA==","rev":"1","lease":"77"},"value":"eA=="}`},
	{"none", `{}`},
	{"kv/range/", `{}`},
	{"kv", `{}`},
	{"kv/range", `{{{"key":}}`},
	{"kv/range", `{{[]}}`},
	{"kv/range", `{{null}}`},
	{"kv/range", `{{{"key":5}}}`},
	{"kv/range", `{{{"key":"!"}}}`},
	{"kv/range", `{{{"limit":1.5}}}`},
	{"kv/range", `{{{"limit":"9223372036854775808"}}}`},
	{"kv/range", `{{{"limit":" 1"}}}`},
	{"kv/range", `{{{"keys_only":"true"}}}`},
	{"kv/range", `{{{"key":"YQ==","key":"YQ=="}}}`},
	{"kv/range", `{{{"keys_only":true,"keysOnly":true}}}`},
	{"kv/txn", `{{{"compare":{}}}}`},
	{"kv/txn", `{{{"compare":[null]}}}`},
	{"kv/txn", `{{{"success":[{"request_put":{},"request_range":{}}]}}}`},
}

func TestSameGateway(t *testing.T) {
	ours := process.Start(t).Endpoint()
	real := startRealGateway(t)
	for n, request := range gatewayCorpus {
		path, body := "/v3/"+request[0], request[1]
		isVague := strings.HasPrefix(body, "{{") && strings.HasSuffix(body, "}}")
		if isVague {
			body = body[2 : len(body)-2]
		}
		got, want := posted(t, ours+path, body), posted(t, real+path, body)
		if isVague {
			got, want = vague(got), vague(want)
		}
		if got != want {
			t.Errorf("request %d: %s %s\nours: %s\nreal: %s", n, path, body, got, want)
		}
	}
	for _, path := range []string{"/v3/kv/range", "/v3/none", "/v3", "/v2/keys"} {
		if got, want := got(t, ours+path), got(t, real+path); got != want {
			t.Errorf("GET %s\nours: %s\nreal: %s", path, got, want)
		}
	}
}

// Watches tell the same, line by line.
func TestSameGatewayWatch(t *testing.T) {
	ours := process.Start(t).Endpoint()
	real := startRealGateway(t)
	const changes = 4
	told := func(endpoint string) []string {
		body := `{"create_request":{"key":"AA==","range_end":"AA==","prev_kv":true}}` +
			`{"create_request":{"key":"YQ==","start_revision":"-1"}}` +
			`{"cancelRequest":{"watch_id":5}} {"create_request":{"watchId":"3","key":"YQ==","filters":["NOPUT",7]}}`
		response, err := http.Post(endpoint+"/v3/watch", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		var found []string
		line := func() {
			if !lines.Scan() {
				t.Fatal("the watch ended")
			}
			found = append(found, normalised(lines.Bytes()))
		}
		for range 3 {
			line()
		}
		for _, request := range [][2]string{
			{"kv/put", `{"key":"Yg==","value":"MQ=="}`},
			{"kv/put", `{"key":"Yg==","value":"Mg=="}`},
			{"kv/deleterange", `{"key":"Yg=="}`},
			{"kv/txn", `{"success":[{"request_put":{"key":"Yw=="}},{"request_put":{"key":"ZA=="}}]}`},
		} {
			posted(t, endpoint+"/v3/"+request[0], request[1])
			line()
		}
		if len(found) != 3+changes {
			t.Fatalf("%d lines", len(found))
		}
		return found
	}
	got, want := told(ours), told(real)
	for n := range want {
		if got[n] != want[n] {
			t.Errorf("line %d\nours: %s\nreal: %s", n, got[n], want[n])
		}
	}
}

// startRealGateway starts a real etcd on a port that is known beforehand: its gateway dials the URL that it
// was told to listen on.
func startRealGateway(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := url.URL{Scheme: "http", Host: listener.Addr().String()}
	listener.Close()
	startReal(t, func(config *embed.Config) {
		config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{free}, []url.URL{free}
	})
	return free.String()
}

// posted is status, type and body of an answer.
func posted(t *testing.T, url, body string) string {
	t.Helper()
	response, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

func got(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

func read(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	header := response.Header
	return strings.Join([]string{
		response.Status, header.Get("Content-Type"), header.Get("Access-Control-Allow-Origin"), normalised(body),
	}, " ")
}

var (
	ownFields = regexp.MustCompile(`"(cluster_id|member_id|raft_term)":"[0-9]+"`)
	message   = regexp.MustCompile(`"message":".*"`)
)

// normalised takes out the spaces that the real one varies on purpose, and what differs between members.
func normalised(body []byte) string {
	var text strings.Builder
	for line := range bytes.Lines(body) {
		var compact bytes.Buffer
		if json.Compact(&compact, line) == nil {
			line = append(compact.Bytes(), '\n')
		}
		text.Write(line)
	}
	return ownFields.ReplaceAllString(strings.TrimSuffix(text.String(), "\n"), `"$1":""`)
}

func vague(answer string) string {
	return message.ReplaceAllString(answer, `"message":""`)
}

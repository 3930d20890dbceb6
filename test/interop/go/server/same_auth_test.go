package server

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"interop/process"
)

// The same random changes of users and roles, and the same requests under the rights that they make, go to
// a member and to a real etcd: answer by answer they say the same.
func TestSameRightsAsEtcd(t *testing.T) {
	ctx := t.Context()
	steps, first := number(stepsVariable, 1200), number(seedVariable, 0)
	for n := range 4 {
		seed := uint64(first + n)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			member := process.Start(t, "--unsafe-no-fsync", "--bcrypt-cost=4")
			ours := member.Connect().ActiveConnection()
			real := startReal(t, func(config *embed.Config) { config.BcryptCost = 4 }).ActiveConnection()
			run := &rights{t, ctx, rand.New(rand.NewPCG(seed, 2)), []side{{connection: ours}, {connection: real}}}
			for step := range steps {
				run.step(step)
				if step%10_000 == 9_999 {
					t.Logf("%d requests", step+1)
				}
			}
			t.Logf("%d requests compared", steps)
		})
	}
}

// side is one of the two that are compared.
type side struct {
	connection *grpc.ClientConn
}

type rights struct {
	*testing.T
	ctx    context.Context
	source *rand.Rand
	sides  []side
}

func (r *rights) step(step int) {
	r.Helper()
	// Most changes are made by root, if it can log in; the rest by anybody.
	name := r.name()
	if r.source.IntN(3) > 0 {
		name = "root"
	}
	var request proto.Message
	if r.source.IntN(2) == 0 {
		request = r.change()
	} else {
		request, name = r.access(), r.name()
	}
	var answers []string
	for n := range r.sides {
		answers = append(answers, r.sides[n].send(r.ctx, name, request))
	}
	if answers[0] != answers[1] {
		r.Fatalf("step %d by %q: %T{%s}\nours: %s\nreal: %s", step, name, request, prototext.Format(request), answers[0], answers[1])
	}
}

// send sends a request as a user, who logs in anew each time: simple tokens of different members differ.
func (s *side) send(ctx context.Context, name string, request proto.Message) string {
	auth := pb.NewAuthClient(s.connection)
	login, err := auth.Authenticate(ctx, &pb.AuthenticateRequest{Name: name, Password: "pw"})
	if err == nil {
		ctx = metadata.AppendToOutgoingContext(ctx, "token", login.Token)
	}
	failed, _ := write(&pb.AuthEnableResponse{Header: &pb.ResponseHeader{}}, err)
	text := s.answer(ctx, auth, request)
	return failed + " / " + text
}

func (s *side) answer(ctx context.Context, auth pb.AuthClient, request proto.Message) string {
	text := func(text string, _ int64) string { return text }
	switch request := request.(type) {
	case *pb.AuthEnableRequest:
		return text(write(auth.AuthEnable(ctx, request)))
	case *pb.AuthDisableRequest:
		return text(write(auth.AuthDisable(ctx, request)))
	case *pb.AuthStatusRequest:
		return text(write(auth.AuthStatus(ctx, request)))
	case *pb.AuthUserAddRequest:
		return text(write(auth.UserAdd(ctx, request)))
	case *pb.AuthUserGetRequest:
		return text(write(auth.UserGet(ctx, request)))
	case *pb.AuthUserListRequest:
		return text(write(auth.UserList(ctx, request)))
	case *pb.AuthUserDeleteRequest:
		return text(write(auth.UserDelete(ctx, request)))
	case *pb.AuthUserChangePasswordRequest:
		return text(write(auth.UserChangePassword(ctx, request)))
	case *pb.AuthUserGrantRoleRequest:
		return text(write(auth.UserGrantRole(ctx, request)))
	case *pb.AuthUserRevokeRoleRequest:
		return text(write(auth.UserRevokeRole(ctx, request)))
	case *pb.AuthRoleAddRequest:
		return text(write(auth.RoleAdd(ctx, request)))
	case *pb.AuthRoleGetRequest:
		return text(write(auth.RoleGet(ctx, request)))
	case *pb.AuthRoleListRequest:
		return text(write(auth.RoleList(ctx, request)))
	case *pb.AuthRoleDeleteRequest:
		return text(write(auth.RoleDelete(ctx, request)))
	case *pb.AuthRoleGrantPermissionRequest:
		return text(write(auth.RoleGrantPermission(ctx, request)))
	case *pb.AuthRoleRevokePermissionRequest:
		return text(write(auth.RoleRevokePermission(ctx, request)))
	case *pb.LeaseLeasesRequest:
		response, err := pb.NewLeaseClient(s.connection).LeaseLeases(ctx, request)
		if err == nil {
			response.Leases = nil // their order is that of their ends
		}
		return text(write(response, err))
	}
	return text(answer(ctx, s.connection, request))
}

func (r *rights) pick(names ...string) string { return names[r.source.IntN(len(names))] }

func (r *rights) name() string {
	return r.pick("root", "root", "alice", "alice", "alice", "bob", "bob", "")
}

func (r *rights) role() string { return r.pick("root", "r1", "r1", "r2", "r2", "") }

func (r *rights) key() []byte { return []byte(r.pick("a", "b", "c", "d", "e", "\x00")) }

func (r *rights) end() []byte { return []byte(r.pick("", "", "b", "c", "d", "e", "f", "\x00")) }

// span is a range that is not upside down: whether etcd permits one that is, and holds no key, depends on the
// order in which permissions came into a tree.
func (r *rights) span() (key, end []byte) {
	for {
		key, end = r.key(), r.end()
		if len(end) == 0 || end[0] == 0 || bytes.Compare(key, end) < 0 {
			return key, end
		}
	}
}

// permission is a range with an end of its own for each first key: where several begin with one key, etcd's
// order depends on a sort that keeps none. Some hold no key.
func (r *rights) permission() (key, end []byte) {
	pairs := [][2]string{{"a", "c"}, {"b", ""}, {"c", "\x00"}, {"d", "e"}, {"e", ""}, {"\x00", "b"}, {"", "b"}, {"b", "a"}}
	pair := pairs[r.source.IntN(len(pairs))]
	return []byte(pair[0]), []byte(pair[1])
}

func (r *rights) lease() int64 { return int64(r.source.IntN(3)) + 1 }

// change is a request about users and roles. Users come and go less often than their rights.
func (r *rights) change() proto.Message {
	switch r.source.IntN(30) {
	case 0, 1, 2, 3:
		return &pb.AuthEnableRequest{}
	case 4:
		return &pb.AuthDisableRequest{}
	case 5:
		return &pb.AuthStatusRequest{}
	case 6, 7, 8:
		add := &pb.AuthUserAddRequest{Name: r.name(), Password: "pw"}
		switch r.source.IntN(6) {
		case 0:
			add.Options = &authpb.UserAddOptions{NoPassword: true}
		case 1:
			add.Options = &authpb.UserAddOptions{}
		}
		return add
	case 9:
		return &pb.AuthUserDeleteRequest{Name: r.name()}
	case 10:
		return &pb.AuthUserChangePasswordRequest{Name: r.name(), Password: r.pick("pw", "pw", "pw", "other")}
	case 11, 12, 13, 14, 15:
		return &pb.AuthUserGrantRoleRequest{User: r.name(), Role: r.role()}
	case 16, 17:
		return &pb.AuthUserRevokeRoleRequest{Name: r.name(), Role: r.role()}
	case 18, 19:
		return &pb.AuthRoleAddRequest{Name: r.role()}
	case 20:
		return &pb.AuthRoleDeleteRequest{Role: r.role()}
	case 21, 22, 23, 24, 25, 26:
		grant := &pb.AuthRoleGrantPermissionRequest{Name: r.role()}
		if r.source.IntN(20) > 0 {
			kind := authpb.Permission_Type(r.source.IntN(3))
			key, end := r.permission()
			grant.Perm = &authpb.Permission{PermType: kind, Key: key, RangeEnd: end}
		}
		return grant
	case 27:
		key, end := r.permission()
		return &pb.AuthRoleRevokePermissionRequest{Role: r.role(), Key: key, RangeEnd: end}
	case 28:
		return []proto.Message{&pb.AuthUserGetRequest{Name: r.name()}, &pb.AuthUserListRequest{}}[r.source.IntN(2)]
	default:
		return []proto.Message{&pb.AuthRoleGetRequest{Role: r.role()}, &pb.AuthRoleListRequest{}}[r.source.IntN(2)]
	}
}

// access is a request whose answer depends on rights.
func (r *rights) access() proto.Message {
	switch r.source.IntN(12) {
	case 0, 1, 2:
		key, end := r.span()
		return &pb.RangeRequest{Key: key, RangeEnd: end}
	case 3, 4:
		return r.put()
	case 5:
		key, end := r.span()
		return &pb.DeleteRangeRequest{Key: key, RangeEnd: end, PrevKv: r.source.IntN(2) == 0}
	case 6, 7, 8:
		return r.txn(2)
	case 9:
		return &pb.LeaseGrantRequest{ID: r.lease(), TTL: 100_000}
	case 10:
		return &pb.LeaseTimeToLiveRequest{ID: r.lease(), Keys: r.source.IntN(2) == 0}
	default:
		return []proto.Message{&pb.LeaseRevokeRequest{ID: r.lease()}, &pb.LeaseLeasesRequest{}}[r.source.IntN(2)]
	}
}

func (r *rights) put() *pb.PutRequest {
	put := &pb.PutRequest{Key: r.key(), PrevKv: r.source.IntN(3) == 0}
	if r.source.IntN(3) == 0 {
		put.Lease = r.lease()
	}
	return put
}

func (r *rights) txn(depth int) *pb.TxnRequest {
	txn := &pb.TxnRequest{}
	if r.source.IntN(2) == 0 {
		key, end := r.span()
		txn.Compare = append(txn.Compare, &pb.Compare{Key: key, RangeEnd: end, Target: pb.Compare_VERSION, TargetUnion: &pb.Compare_Version{}})
	}
	for range r.source.IntN(3) {
		txn.Success = append(txn.Success, r.operation(depth))
	}
	for range r.source.IntN(2) {
		txn.Failure = append(txn.Failure, r.operation(depth))
	}
	return txn
}

func (r *rights) operation(depth int) *pb.RequestOp {
	switch n := r.source.IntN(4); {
	case n == 0 && depth > 0:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: r.txn(depth - 1)}}
	case n == 1:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: r.put()}}
	case n == 2:
		key, end := r.span()
		deletion := &pb.DeleteRangeRequest{Key: key, RangeEnd: end, PrevKv: r.source.IntN(2) == 0}
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: deletion}}
	default:
		key, end := r.span()
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: key, RangeEnd: end}}}
	}
}

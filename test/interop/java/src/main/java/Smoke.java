import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.SECONDS;

import io.etcd.jetcd.ByteSequence;
import io.etcd.jetcd.Client;
import io.etcd.jetcd.ClientBuilder;
import io.etcd.jetcd.Election;
import io.etcd.jetcd.KV;
import io.etcd.jetcd.Watch;
import io.etcd.jetcd.auth.Permission;
import io.etcd.jetcd.election.LeaderResponse;
import io.etcd.jetcd.op.Cmp;
import io.etcd.jetcd.op.CmpTarget;
import io.etcd.jetcd.op.Op;
import io.etcd.jetcd.options.GetOption;
import io.etcd.jetcd.options.LeaseOption;
import io.etcd.jetcd.options.PutOption;
import io.etcd.jetcd.options.WatchOption;
import java.io.File;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * Drives a member with jetcd, the client of the Java world, over TLS and with authentication on.
 *
 * <p>Usage: Smoke ENDPOINT AUTHORITY CERTIFICATE KEY
 */
public final class Smoke {
  private static final ByteSequence ROOT = bytes("root");
  private static final ByteSequence USER = bytes("duke");
  private static final ByteSequence PASSWORD = bytes("duke's password");

  public static void main(String[] arguments) throws Exception {
    Client nobody = connect(arguments).build();
    users(nobody);
    Client client = connect(arguments).user(USER).password(PASSWORD).build();
    rights(nobody, client);
    keys(client.getKVClient());
    transactions(client.getKVClient());
    watches(client);
    leases(client);
    locks(client);
    elections(client);
    Client root = connect(arguments).user(ROOT).password(PASSWORD).build();
    get(root.getAuthClient().authDisable());
    get(nobody.getKVClient().get(bytes("anything")));
    System.out.println("users rights keys transactions watches leases locks elections");
    System.exit(0);
  }

  private static ClientBuilder connect(String[] arguments) throws Exception {
    File authority = new File(arguments[1]);
    File certificate = new File(arguments[2]);
    File key = new File(arguments[3]);
    return Client.builder()
        .endpoints(arguments[0])
        .sslContext(tls -> tls.trustManager(authority).keyManager(certificate, key));
  }

  private static void users(Client client) throws Exception {
    var auth = client.getAuthClient();
    for (ByteSequence name : List.of(ROOT, USER)) {
      get(auth.userAdd(name, PASSWORD));
      get(auth.roleAdd(name));
      get(auth.userGrantRole(name, name));
    }
    get(auth.roleGrantPermission(USER, bytes("j"), bytes("k"), Permission.Type.READWRITE));
    check(get(auth.userGet(USER)).getRoles().equals(List.of("duke")), "roles");
    get(auth.authEnable());
  }

  private static void rights(Client nobody, Client user) throws Exception {
    // Its certificate has no name, which is that of no user.
    refused(nobody.getKVClient().get(bytes("j")), "permission denied");
    refused(user.getKVClient().get(bytes("x")), "permission denied");
    refused(user.getAuthClient().userList(), "permission denied");
  }

  private static void keys(KV kv) throws Exception {
    check(get(kv.get(bytes("j"))).getKvs().isEmpty(), "no key");
    get(kv.put(bytes("j"), bytes("1")));
    var replaced = get(kv.put(bytes("j"), bytes("2"), PutOption.builder().withPrevKV().build()));
    check(replaced.getPrevKv().getValue().equals(bytes("1")), "the pair before");
    var found = get(kv.get(bytes("j"))).getKvs().get(0);
    check(found.getValue().equals(bytes("2")) && found.getVersion() == 2, "the pair");
    for (String name : List.of("jp/2", "jp/1")) {
      get(kv.put(bytes(name), bytes("")));
    }
    var prefix = GetOption.builder().isPrefix(true).build();
    var listed = get(kv.get(bytes("jp/"), prefix)).getKvs();
    check(listed.size() == 2 && listed.get(0).getKey().equals(bytes("jp/1")), "the prefix");
    check(get(kv.delete(bytes("j"))).getDeleted() == 1, "deleted");
  }

  private static void transactions(KV kv) throws Exception {
    for (boolean want : List.of(true, false)) {
      var key = bytes("jt");
      var done =
          get(
              kv.txn()
                  .If(new Cmp(key, Cmp.Op.EQUAL, CmpTarget.version(0)))
                  .Then(Op.put(key, bytes("new"), PutOption.DEFAULT))
                  .Else(Op.get(key, GetOption.DEFAULT))
                  .commit());
      check(done.isSucceeded() == want, "the condition");
    }
  }

  private static void watches(Client client) throws Exception {
    BlockingQueue<String> seen = new LinkedBlockingQueue<>();
    Watch.Listener listener =
        Watch.listener(
            response ->
                response.getEvents().stream()
                    .map(event -> event.getEventType() + " " + event.getKeyValue().getKey())
                    .forEach(seen::add),
            error -> seen.add(error.toString()));
    var kv = client.getKVClient();
    long revision = get(kv.put(bytes("jother"), bytes(""))).getHeader().getRevision();
    var options = WatchOption.builder().isPrefix(true).withRevision(revision + 1).build();
    try (Watch.Watcher watcher = client.getWatchClient().watch(bytes("jw/"), options, listener)) {
      get(kv.put(bytes("jw/1"), bytes("a")));
      get(kv.put(bytes("jelsewhere"), bytes("b")));
      get(kv.delete(bytes("jw/1")));
      for (String want : List.of("PUT jw/1", "DELETE jw/1")) {
        String found = seen.poll(60, SECONDS);
        check(want.equals(found), want + " and not " + found);
      }
    }
    Watch.Listener refused = Watch.listener(response -> {}, error -> seen.add(error.toString()));
    client.getWatchClient().watch(bytes("x"), refused);
    String reason = String.valueOf(seen.poll(60, SECONDS));
    check(reason.contains("permission denied"), reason);
  }

  private static void leases(Client client) throws Exception {
    var leases = client.getLeaseClient();
    long id = get(leases.grant(60)).getID();
    var attached = PutOption.builder().withLeaseId(id).build();
    get(client.getKVClient().put(bytes("jl"), bytes("v"), attached));
    check(get(leases.keepAliveOnce(id)).getTTL() == 60, "renewed");
    var keys = LeaseOption.builder().withAttachedKeys().build();
    var left = get(leases.timeToLive(id, keys));
    check(left.getKeys().equals(List.of(bytes("jl"))), "attached keys");
    get(leases.revoke(id));
    check(get(client.getKVClient().get(bytes("jl"))).getKvs().isEmpty(), "gone with its lease");
  }

  private static void locks(Client client) throws Exception {
    var locks = client.getLockClient();
    var leases = client.getLeaseClient();
    long first = get(leases.grant(60)).getID();
    long second = get(leases.grant(60)).getID();
    ByteSequence held = get(locks.lock(bytes("jlock"), first)).getKey();
    var waiting = locks.lock(bytes("jlock"), second);
    check(!waiting.isDone(), "the lock is held");
    get(locks.unlock(held));
    ByteSequence next = get(waiting).getKey();
    check(!next.equals(held), "a key of its own");
    get(locks.unlock(next));
  }

  private static void elections(Client client) throws Exception {
    var elections = client.getElectionClient();
    var name = bytes("jboss");
    long lease = get(client.getLeaseClient().grant(60)).getID();
    var key = get(elections.campaign(name, lease, bytes("me"))).getLeader();
    check(get(elections.leader(name)).getKv().getValue().equals(bytes("me")), "the leader");
    BlockingQueue<ByteSequence> seen = new LinkedBlockingQueue<>();
    elections.observe(
        name,
        new Election.Listener() {
          @Override
          public void onNext(LeaderResponse response) {
            seen.add(response.getKv().getValue());
          }

          @Override
          public void onError(Throwable error) {}

          @Override
          public void onCompleted() {}
        });
    check(bytes("me").equals(seen.poll(60, SECONDS)), "observed");
    get(elections.proclaim(key, bytes("still me")));
    check(bytes("still me").equals(seen.poll(60, SECONDS)), "observed again");
    get(elections.resign(key));
  }

  private static ByteSequence bytes(String text) {
    return ByteSequence.from(text, UTF_8);
  }

  private static <T> T get(Future<T> future) throws Exception {
    return future.get(60, SECONDS);
  }

  private static void refused(Future<?> future, String reason) throws Exception {
    try {
      get(future);
    } catch (java.util.concurrent.ExecutionException error) {
      check(error.toString().contains(reason), error.toString());
      return;
    }
    throw new AssertionError("not refused: " + reason);
  }

  private static void check(boolean holds, String what) {
    if (!holds) {
      throw new AssertionError(what);
    }
  }
}

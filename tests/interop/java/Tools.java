import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs command line tools of Apache Kafka, one after the other, in one JVM: their start takes longer than their work.
 * A request on the standard input: number of words, the words (class, then its arguments), length of its standard input,
 * that. The answer on the standard output: exit status, length of what it printed, that, the same for its errors.
 */
public final class Tools {
    /** Thrown out of a tool that ends itself. */
    private static final class Ended extends Error {
        Ended() {
            super(null, null, false, false);
        }
    }

    /** What stands for System.out and System.err, so that a class that keeps one of them keeps the right one. */
    private static final class Switch extends OutputStream {
        volatile ByteArrayOutputStream to = new ByteArrayOutputStream();

        @Override
        public void write(int b) {
            to.write(b);
        }

        @Override
        public void write(byte[] b, int offset, int n) {
            to.write(b, offset, n);
        }
    }

    private static final class Source extends InputStream {
        volatile ByteArrayInputStream from = new ByteArrayInputStream(new byte[0]);

        @Override
        public int read() {
            return from.read();
        }

        @Override
        public int read(byte[] b, int offset, int n) {
            return from.read(b, offset, n);
        }
    }

    /** The status that the tool ended itself with; what it does when it catches its own end does not count. */
    private static Integer ended;

    private static void end(int status, String message) {
        if (ended == null) {
            ended = status;
            if (message != null) System.err.println(message);
        }
        throw new Ended();
    }

    private static void catchExits() {
        Exit.setExitProcedure(Tools::end);
        Exit.setHaltProcedure(Tools::end);
    }

    /** The console consumer counts its messages in a static field, up to --max-messages. */
    private static void forgetCount(String name) throws ReflectiveOperationException {
        boolean isScala = name.startsWith("kafka.");
        Class<?> type = Class.forName(isScala ? name + "$" : name);
        Field count = type.getDeclaredField("messageCount");
        count.setAccessible(true);
        count.setInt(isScala ? type.getField("MODULE$").get(null) : null, 0);
    }

    private static int run(String name, String[] args, PrintStream err) {
        ended = null;
        try {
            if (name.endsWith(".ConsoleConsumer")) forgetCount(name);
            Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) args);
            return ended == null ? 0 : ended;
        } catch (InvocationTargetException e) {
            if (ended != null) return ended;
            StringWriter text = new StringWriter();
            e.getCause().printStackTrace(new PrintWriter(text));
            err.print(text);
            return 1;
        } catch (ReflectiveOperationException e) {
            err.println("there is no such tool: " + e);
            return 127;
        }
    }

    public static void main(String[] unused) throws IOException {
        DataInputStream requests = new DataInputStream(System.in);
        DataOutputStream answers = new DataOutputStream(System.out);
        Switch out = new Switch();
        Switch err = new Switch();
        Source in = new Source();
        PrintStream errors = new PrintStream(err, true);
        System.setOut(new PrintStream(out, true));
        System.setErr(errors);
        System.setIn(in);
        catchExits();
        for (;;) {
            int n;
            try {
                n = requests.readInt();
            } catch (EOFException e) {
                Runtime.getRuntime().halt(0);
                return;
            }
            String name = requests.readUTF();
            String[] args = new String[n - 1];
            for (int i = 0; i < args.length; i++) args[i] = requests.readUTF();
            byte[] input = new byte[requests.readInt()];
            requests.readFully(input);
            in.from = new ByteArrayInputStream(input);
            out.to = new ByteArrayOutputStream();
            err.to = new ByteArrayOutputStream();
            int status = run(name, args, errors);
            System.out.flush();
            answers.writeInt(status);
            for (Switch s : new Switch[] {out, err}) {
                byte[] printed = s.to.toByteArray();
                answers.writeInt(printed.length);
                answers.write(printed);
            }
            answers.flush();
        }
    }
}

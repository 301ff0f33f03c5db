"""A real browser, driven over its own pipe (the DevTools protocol on descriptors 3 and 4): nothing but Python's library is needed.

    with Browser(dark=True, width=375, height=800, touch=True) as page:
        page.open("run.html")
        page.run("document.title")
"""
import base64, json, os, shutil, subprocess, tempfile

CHROMIUM = "/usr/bin/chromium"


class Browser:
    def __init__(self, dark=False, width=1280, height=900, touch=False):
        self.dark, self.width, self.height, self.touch = dark, width, height, touch
        self.number, self.rest, self.complaints = 0, b"", []

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="browser-", dir=os.getcwd())
        to_read, self.to = os.pipe()
        self.of, to_write = os.pipe()

        def pipes():  # whichever numbers these have now
            a, b = os.dup(to_read), os.dup(to_write)
            os.dup2(a, 3)
            os.dup2(b, 4)
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)

        self.process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
             "--host-resolver-rules=MAP * ~NOTFOUND", "--no-first-run", "--user-data-dir=" + self.folder, "about:blank"],
            preexec_fn=pipes, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        os.close(to_read)
        os.close(to_write)
        target = next(t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(domain + ".enable")
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if self.dark else "light"}])
        self.call("Emulation.setDeviceMetricsOverride", width=self.width, height=self.height, deviceScaleFactor=1, mobile=self.touch)
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)  # as if it were the window in front
        self.call("Emulation.setTouchEmulationEnabled", enabled=self.touch, maxTouchPoints=2)
        return self

    def __exit__(self, *_):
        try:
            self.send("Browser.close")
        except EOFError:
            pass
        os.close(self.to)
        os.close(self.of)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def receive(self):
        while b"\0" not in self.rest:
            more = os.read(self.of, 1 << 20)
            if not more:
                raise EOFError("the browser has gone")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(message)
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(message["params"]["exceptionDetails"])
        elif message.get("method") == "Runtime.consoleAPICalled" and message["params"]["type"] in ("error", "warning", "assert"):
            self.complaints.append(message["params"]["args"])
        elif message.get("method") == "Log.entryAdded":
            self.complaints.append(message["params"]["entry"])
        return message

    def send(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def call(self, method, **parameters):
        return self.send(method, session=self.session, **parameters)

    def open(self, page, hash=""):
        """Opens a file and waits until its own scripts are through."""
        self.call("Page.navigate", url="file://" + os.path.abspath(page) + hash)
        while self.receive().get("method") != "Page.loadEventFired":
            pass

    def run(self, script):
        """The value of an expression in the page; promises are awaited."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True)
        assert "exceptionDetails" not in answer, (script, answer["exceptionDetails"])
        return answer["result"].get("value")

    def press(self, key, text=None, code=None, number=0, modifiers=0):
        keys = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39, " ": 32}
        event = dict(key=key, code=code or key, windowsVirtualKeyCode=number or keys.get(key, ord(key[0].upper())), modifiers=modifiers)
        text = {"Enter": "\r", " ": " "}.get(key) or (key if len(key) == 1 else None)
        self.call("Input.dispatchKeyEvent", type="keyDown", **event, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def fingers(self, kind, *places):
        self.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)])

    def screenshot(self, path, whole=True):
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture["data"]))

"""What mail systems say, as data: in subjects, in the words of a notice, in the names that they write under.

Plain phrases and no patterns: they are read by people, and `said.py` looks for all of them at once. They are held against text
in lower case with single spaces and straight apostrophes. A phrase earns its place by a system that says it and by not
standing in what people write to each other.
"""

# The From of those who write bounces (RFC 3834 section 2 names the first two).
DAEMON_NAMES = (
    "mailer-daemon", "postmaster", "mailer daemon", "mailerdaemon", "mailer_daemon", "post master", "mail-daemon",
    "maildaemon", "mdaemon", "mail delivery", "mail-delivery", "mail.delivery", "maildelivery", "mail_delivery",
    "delivery subsystem", "delivery system", "deliverysystem", "delivery-system", "delivery service", "delivery status",
    "delivery notification", "delivery report", "system administrator", "systemadministrator", "mail administrator",
    "mail system", "mail-system", "mailsystem", "mail service", "mail_service", "mail robot", "mail error", "antivirus",
    "anti-virus", "undelivered", "undeliverable", "smtp gateway", "smtp-gateway", "smtp server", "bounce@", "bounces@",
    "bounce-", "bounces-", "ndr@", "dsn@", "imss@", "gwia@", "double-bounce", "virus_for_smtp", "mail gateway",
    "mailgateway", "mailmaster", "mail-error", "mailerror", "microsoft outlook", "content-filter", "content filter",
)  # fmt: skip

# Subjects of notices.
SUBJECTS = (
    "undeliver", "not deliver", "nondeliver", "non-deliver", "non deliver", "undeliverable", "undelivrable",
    "delivery status", "delivery fail", "delivery error", "delivery problem", "delivery notif", "delivery warning",
    "delivery report", "delivery delay", "delivery has failed", "delivery was", "delivery has been", "delivery of",
    "delivery unsuccessful", "delivery to", "delivery incomplete", "delivery expired", "deliver fail", "failed delivery",
    "failed to deliver", "failure delivery", "unable to deliver", "problem delivering", "failure notice",
    "failure notification", "failure delivering", "permanent delivery", "returned mail", "returned message",
    "returned to sender", "returned email", "returned e-mail", "return to sender", "returning message", "returning your",
    "mail returned", "message returned", "mail delivery", "mail system error", "mail error", "mail failure", "mail failed",
    "mail warning", "mail problem", "mail status report", "mail transport", "message status", "message delayed",
    "message delivery", "delayed mail", "mail delayed", "could not be deliver", "could not be sent", "couldn't be deliver",
    "cannot be deliver", "can't be deliver", "can not be deliver", "not be delivered", "wasn't delivered", "unable to send",
    "not sent", "send failed", "sending failed", "failed mail", "failed message", "user unknown", "unknown user",
    "unknown recipient", "unknown address", "invalid recipient", "invalid address", "mailbox full", "mailbox is full",
    "mailbox unavailable", "quota exceed", "over quota", "message rejected", "mail rejected", "rejected mail", "rejected:",
    "rejected message", "blocked message", "message blocked", "bounced", "bounce message", "bounce notification",
    "considered unsolicited", "banned contents", "apparently from you", "malformed recipient", "no such user",
    "error sending", "error in delivery", "error during delivery", "e-mail error",
    "email error", "smtp error", "delayed 24", "delayed 48", "delayed 72", "unzustellbar", "nicht zustellbar",
    "nicht zugestellt", "zustellung", "zustellfehler", "fehlgeschlagen", "fehler beim senden", "non remis", "non distribu",
    "non délivr", "non livr", "échec de la remise", "echec de la remise", "échec de livraison", "message d'erreur",
    "échec de la distribution",
    "non recapitabile", "mancato recapito", "mancata consegna", "errore nella consegna", "no se ha podido", "no se pudo",
    "no entregado", "no ha sido entregado", "error de entrega", "correo devuelto", "mensaje devuelto", "não entregue",
    "nao entregue", "não foi possível entregar", "devolvid", "falha na entrega", "falha de entrega", "falha no envio",
    "onbestelbaar", "niet bezorgd", "niet afgeleverd", "kan inte levereras", "ikke leveres", "ikke leveret", "niedostarcz",
    "nie dostarcz", "nie doręcz", "niedoręcz", "zwrot", "wiadomosc odrzucona", "wiadomość odrzucona", "nedoručen",
    "nedorucen", "nedoručiteln", "kézbesíthetetlen", "недоставл", "не доставл", "не может быть доставлен",
    "невозможно доставить", "возврат", "ошибка доставки", "teslim edilem", "iletilem", "配信不能", "配信エラー",
    "配信できません", "配信に失敗", "配信失敗", "送信できません", "送信エラー", "届けられません", "お届けできません",
    "エラー通知", "エラーメール", "メールエラー", "メッセージを配", "不達", "未達", "宛先不明", "退信", "投递失败",
    "投遞失敗", "退回", "无法投递", "無法投遞", "无法送达", "無法傳遞", "寄送失敗", "未送达", "반송", "전송 실패",
    "전송실패", "배달 실패", "배달되지", "전달되지",
)  # fmt: skip

# The words of notices.
WORDS = (
    "not be deliver", "n't be deliver", "not be sent", "n't be sent", "not been deliver", "n't been deliver", "not deliver",
    "n't deliver", "not yet been deliver", "not able to deliver", "n't able to deliver", "not been sent",
    "unable to deliver", "unable to send", "unable to relay", "unable to complete delivery", "unable to be deliver",
    "undeliver", "non-deliver", "nondeliver", "failed to deliver", "failed permanently", "failed recipient",
    "fail to deliver", "delivery failed", "delivery failure", "delivery has failed", "delivery has been delayed",
    "has been delayed", "was aborted after", "delivery attempt", "delivery to the following", "delivery of your",
    "delivery status", "delivery error", "error delivering", "problem delivering", "problems delivering",
    "while delivering", "trying to deliver", "attempting to deliver", "delivery problem", "did not reach",
    "could not reach", "couldn't reach", "not reach the following", "not be reached", "not reached", "did not receive",
    "could not be relayed", "could not be accepted", "could not be processed", "could not be transferred",
    "will not be delivered", "has been returned", "returned to you", "returned to sender", "returned to the sender",
    "returned mail", "returned message", "return to sender", "has been rejected", "was rejected", "been refused",
    "was refused", "rejected by", "rejected your", "rejected for", "rejected the following", "has been blocked",
    "was blocked", "been bounced", "has bounced", "bounced email", "had permanent", "had fatal errors", "had transient",
    "had delivery errors", "had errors", "transcript of session", "address failed", "addresses failed",
    "address(es) failed", "incorrectly constructed", "permanent error", "permanent failure", "permanent fatal",
    "fatal error", "retry timeout", "user unknown", "unknown user", "user is unknown", "user not found",
    "user does not exist", "user doesn't", "no such user", "no such recipient", "no such mailbox", "no such address",
    "no such local user", "no user", "unknown recipient", "recipient unknown", "recipient not",
    "recipient address rejected", "recipient rejected", "unknown address", "address unknown", "address does not exist",
    "address doesn't exist", "address not found", "does not exist", "doesn't exist", "invalid recipient", "invalid address",
    "invalid mailbox", "invalid final delivery", "not listed in", "is not accepting", "not accepting mail",
    "no mailbox here", "no longer in use", "no longer valid", "no longer active", "mailbox full", "mailbox is full",
    "mailbox was full", "full mailbox", "mailbox unavailable", "mailbox not found", "mailbox exceed", "mailbox disabled",
    "mailbox quota", "quota exceed", "over quota", "over disk quota", "exceeded quota", "exceeds the quota",
    "exceed the quota", "exceeds allowed size", "account is disabled", "account has been disabled", "account disabled",
    "message bounced", "mail bounced", "too many hops", "mail loop", "has not been delivered", "mailbox does not",
    "not a valid user", "the reason your message", "delivery of the email was stopped", "delivery was stopped",
    "nicht zugestellt", "unzustellbar", "nicht ausgeliefert",
    "nicht zustell", "konnte nicht", "n'a pas pu être", "n'a pu être", "n'a pas pu etre", "non remis", "pas été remis",
    "pas été distribué",
    "n'existe pas", "non recapitat", "impossibile recapit", "impossibile consegn", "non è stato possibile",
    "no pudo ser entregado", "no se pudo entregar", "no se ha podido", "no ha podido", "no fue posible", "no existe",
    "não pôde ser", "nao pode ser", "não pode ser", "não foi possível", "não foi entregue", "nao foi entregue",
    "não existe", "kon niet worden", "niet worden bezorgd", "niet afgeleverd", "kunde inte levereras", "kunne ikke leveres",
    "kunne ikke", "nie może zostać dostarcz", "nie została dostarcz", "nie mogła zostać", "nie mógł zostać",
    "nie można dostarcz", "odrzucon", "nelze doručit", "nebylo možné doručit", "не может быть доставлен", "не доставлен",
    "не удалось доставить", "не было доставлено", "не была доставлена", "невозможно доставить", "не существует",
    "teslim edilemedi", "iletilemedi", "送信できません", "送信に失敗", "配信できません", "配信でき", "配信不能",
    "配信エラー", "届けることができません", "届けできません", "お届けでき", "届きません", "送れません", "受信できません",
    "受信拒否", "宛先不明", "宛先が", "エラーのため", "存在しません", "存在しない", "见つかりません", "見つかりません",
    "無法投遞", "無法傳送", "無法送達", "无法投递", "无法发送", "无法送达", "退信", "被退回", "投递失败", "用户不存在",
    "不存在", "전송하지 못", "전송되지", "전송에 실패", "전달하지 못", "배달하지 못", "배달되지", "반송", "존재하지 않",
)  # fmt: skip

# A notice that says that delivery is still being tried.
DELAYED = (
    "warning message only", "has been delayed", "is delayed", "was delayed", "been postponed",
    "delivery attempts will continue", "will continue to", "will be retried", "will keep trying", "will be made for",
    "not yet been delivered", "still trying", "will retry", "do not need to resend", "has not yet been",
    "not been delivered yet", "advisory-only", "status notification (delay)", "warning: message",
    "could not be delivered for the last", "delayed 24 hours", "noch nicht zugestellt", "wurde verzögert", "a été retardé",
    "n'a pas encore été", "est différée", "ha sido retrasad", "se ha retrasado", "aún no se ha entregado", "está atrasad",
    "ainda não foi entregue", "in ritardo", "non è stato ancora", "is vertraagd", "nog niet bezorgd", "är försenad",
    "er forsinket", "opóźnion", "задержан", "отложена", "遅延", "暂时无法", "继续尝试", "將繼續嘗試",
)  # fmt: skip
# ... and the words by which a notice that also speaks of delays has given up all the same.
GIVEN_UP = (
    "failed permanently", "permanent error", "permanent fatal", "permanent failure", "given up", "giving up",
    "in the queue too long", "not going to try again", "retry timeout", "was aborted", "been returned to you",
    "being returned to you", "is returned to you", "was returned to you", "(failure)", "delivery failure", "has failed",
    "failure notice", "returned mail", "too many hops", "mail delivery failed",
)  # fmt: skip

# A notice of good news: OpenSMTPD and others send one who asked for it.
DELIVERED = (
    "successfully delivered", "delivered successfully", "successfully relayed", "relayed successfully",
    "was relayed to these recipients", "successfully sent", "delivery successful", "notification: success",
    "status notification (success)", "status notification (relay)", "erfolgreich zugestellt", "remis avec succès",
    "entregado correctamente", "consegnato correttamente", "entregue com êxito", "успешно доставлен", "成功送达",
)  # fmt: skip

# Mail that wants its sender to prove himself before it is delivered.
CHALLENGES = (
    "requires verification", "verification required", "verify your", "verify that you", "please verify", "to confirm",
    "confirm your", "confirm that you", "please confirm", "challenge", "whitelist", "white list", "guest list",
    "approved sender", "approved list", "prove that you", "prove you", "captcha", "one-time", "awaiting your approval",
    "click on the link", "click the link", "click on this link", "spam arrest", "spamarrest", "boxbe", "permitted sender",
    "be authenticated",
)  # fmt: skip

# What people say who ask others about a bounce, and no mail system.
PERSONS = (
    "can you help", "could you help", "can anyone", "can anybody", "does anyone", "does anybody", "has anyone", "any idea",
    "any help", "help me", "please advise", "please help", "what should i", "what can i do", "what does this mean",
    "how can i", "i get this", "i got this", "i am getting", "i'm getting", "i keep getting", "i received", "i have received",
    "when i try", "when i send", "when i write", "i tried to", "thanks in advance", "best regards", "kind regards",
)  # fmt: skip

# Answers that no person wrote: subjects begin so, or say so.
AUTO_REPLY_SUBJECTS = (
    "out of office", "out of the office", "out-of-office", "ooo:", "automatic reply", "automatic response", "auto reply",
    "auto-reply", "autoreply", "auto response", "auto-response", "autoresponse", "autoresponder", "auto:", "vacation",
    "on holiday", "on leave", "away from", "i am away", "automated reply", "automated response", "abwesenheit", "abwesend",
    "automatische antwort", "nicht im büro", "réponse automatique", "reponse automatique", "absence", "absent",
    "respuesta automática", "respuesta automatica", "fuera de la oficina", "ausencia", "risposta automatica", "fuori sede",
    "fuori ufficio", "resposta automática", "resposta automatica", "fora do escritório", "automatisch antwoord",
    "automatisch bericht", "afwezig", "autosvar", "automatisk svar", "fraværende", "frånvaro", "automaattinen",
    "automatyczna odpowied", "autoodpowied", "nieobecn", "automatická odpov", "automatikus válasz",
    "atrasanas automatiska atbilde", "automatiska atbilde", "atvalin", "автоответ", "автоматический ответ", "отсутств",
    "в отпуске", "自動返信", "自動応答", "不在", "自动回复", "自動回覆", "自动答复", "부재중", "자동 회신", "자동응답",
)  # fmt: skip

# What stands before an address in a notice. The last word before one that is no failed recipient ...
WORDS_BEFORE_OTHERS = frozenset((
    "from", "sender", "cc", "by", "via", "contact", "contacting", "reply-to", "return-path", "helo", "ehlo", "message-id",
    "id", "subject", "von", "de", "di", "od", "from:",
))  # fmt: skip
# ... a phrase of the clause that asks the reader to write to somebody ...
ASKS = (
    "please", "contact", "write to", "e-mail us", "email us", "assistance", "support", "questions", "question",
    "administrator", "postmaster", "for help", "bitte", "veuillez", "пожалуйста",
)  # fmt: skip
# ... a word of the label, which ends with a colon, of one that is ...
LABELS = (
    "recipient", "user", "address", "mailbox", "deliver", "undeliverable", "unknown", "failed", "attempts", "account",
    "destinat", "size", "full", "quota", "not found", "invalid", "empfänger", "empfaenger", "destinataire", "адрес",
    "получател", "宛先", "受信者", "收件人", "수신자",
)  # fmt: skip
# ... and the last word before one in a sentence.
WORDS_BEFORE_RECIPIENTS = frozenset((
    "to", "for", "recipient", "address", "user", "mailbox", "account", "alias", "an", "für", "fuer", "à", "para", "a",
    "per", "aan", "do", "dla", "till", "til", "для", "на", "к", "пользователь", "пользователя", "ящик", "ящика",
))  # fmt: skip
ENDINGS_BEFORE_RECIPIENTS = ("宛先", "宛て", "宛", "ユーザー", "ユーザ", "收件人", "用户")
# A person's mail that is quoted: "user@example.org wrote:".
WROTE = ("wrote", "writes", "schrieb", "a écrit", "escribió", "escreveu", "ha scritto", "написал")

# Which system wrote a notice: the first whose mark stands in its From, its Subject or the beginning of its words is it.
FORMATS = {
    "google": ("googlemail.com", "technical details of permanent failure", "technical details of temporary failure"),
    "mail.ru": ("сервером mail.ru",),
    "qmail": ("qmail-send program", "--- below this line is a copy", "the mta program at"),
    "yahoo": (
        "mailer-daemon@yahoo", "message from yahoo", "we were unable to deliver your message to the following address",
    ),
    "dragonfly": ("dragonfly mail agent",),
    "zoho": ("zoho.com", "error_code :"),
    "interscan": ("interscan",),
    "mimecast": ("an email that you attempted to send to the following address could not be delivered",),
    "exim": ("this message was created automatically by",),
    "postfix": ("this is the postfix", "this is the mail system at host"),
    "sendmail": ("----- transcript of session follows", "had permanent fatal errors", "while talking to"),
    "exchange": ("did not reach the following recipient", "mts-id of the original", "msexch"),
    "domino": ("not listed in domino directory", "not listed in public name", "was not delivered to:"),
    "kddi": ("dion.ne.jp", "ezweb.ne.jp", "au.com"),
    "imail": ("rcpt to generated following response", "user mailbox exceeds allowed size"),
    "mailmarshal": ("the following recipients were affected",),
    "symantec": ("symantec",),
    "mdaemon": ("mdaemon",),
}  # fmt: skip

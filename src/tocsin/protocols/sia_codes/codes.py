"""SIA event codes: what each two-letter code means, how urgent it is, and how it is called in a control room.

Zone codes are regular: the first letter names the family, the second what happened, and the two are multiplied. The
rest stands one by one as `code | category | priority | English | Chinese | kind`, the kind being left out where it
follows from category and priority (`kinds.py`). Codes and their grouping follow SIA DC-03, data codes; wording,
category and priority are the house's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.base.normal import Category, EventKind
from tocsin.protocols.sia_codes.kinds import kind_of

# letter | category | priority of an alarm | of a bypass | of a trouble | alarm and zone in English | and in Chinese
_FAMILY_ROWS = """
B|burglary|2|7|5|Burglary alarm|Burglary zone|入侵报警|入侵防区
F|fire|1|4|4|Fire alarm|Fire zone|火警|火警防区
G|gas|1|4|4|Gas alarm|Gas zone|燃气泄漏报警|燃气防区
H|panic|1|4|4|Hold-up alarm|Hold-up zone|抢劫报警|劫警防区
K|fire|1|7|5|Heat alarm|Heat zone|感温火警|感温防区
M|medical|1|7|5|Medical alarm|Medical zone|医疗求助报警|医疗防区
P|panic|1|4|4|Panic alarm|Panic zone|紧急报警|紧急防区
Q|panic|1|7|5|Emergency call|Emergency zone|紧急求助报警|求助防区
S|fire|1|7|5|Sprinkler alarm|Sprinkler zone|喷淋动作报警|喷淋防区
T|tamper|3|7|5|Tamper alarm|Tamper zone|防拆报警|防拆防区
U|burglary|2|7|5|Untyped zone alarm|Untyped zone|未分类防区报警|未分类防区
W|technical|3|7|5|Water leak|Water zone|漏水报警|漏水防区
Z|technical|4|7|5|Freeze alarm|Freeze zone|低温冻结报警|低温防区
"""

_ROWS = """
AA|tamper|2|Panel substitution attempt|主机被替换嫌疑
AB|cancel|7|Event aborted by user|用户中止报警
AN|system|9|Analogue sensor restored|模拟探测器恢复|restore
AR|power|9|Mains power restored|交流恢复|restore
AS|trouble|6|Analogue sensor needs service|模拟探测器需维护
AT|power|5|Mains power lost|交流断电
BC|cancel|7|Burglary alarm cancelled|入侵报警取消
BD|trouble|6|Burglary zone swinger trouble|入侵防区反复触发故障
BE|trouble|9|Burglary zone swinger trouble restored|入侵防区反复触发故障恢复|restore
BG|burglary|4|Burglary alarm not verified by cross point|入侵报警（交叉防区未触发）
BM|burglary|1|Burglary alarm confirmed by cross point|入侵报警（交叉防区确认）
BV|burglary|1|Burglary alarm verified in the area|入侵报警（区域内复核确认）
BX|test|9|Burglary zone test|入侵防区测试
BZ|trouble|4|Burglary zone supervision lost|入侵防区失联
CA|openclose|9|Armed automatically|自动布防|close
CD|openclose|6|Not armed in its window|未在规定时段布防|status
CE|openclose|8|Arming time extended|布防时间延长|status
CF|openclose|7|Armed by force, zones bypassed|强制布防（有防区旁路）|close
CG|openclose|9|Area armed|分区布防|close
CI|openclose|6|Failed to arm|未按时布防|status
CJ|openclose|7|Armed late|延迟布防（超时）|close
CK|openclose|7|Armed early|提前布防|close
CL|openclose|9|Armed by user|用户布防|close
CM|tamper|4|Missing alarm, recently armed|布防后不久防区失联报警
CO|system|9|Command sent|命令已发送
CP|openclose|9|Armed automatically|自动布防|close
CQ|openclose|9|Armed remotely|远程布防|close
CR|cancel|6|Recently armed (alarm soon after)|布防后不久报警|status
CS|openclose|9|Armed by key-switch|钥匙开关布防|close
CT|openclose|7|Late to disarm|撤防超时|status
CW|openclose|7|Was armed by force|曾强制布防|close
CX|system|9|Custom function|自定义功能
CZ|openclose|9|Point closed|防区点关闭|log
DA|access|8|Card assigned|门禁卡已分配
DB|access|8|Card deleted|门禁卡已删除
DC|access|9|Access closed|通道关闭
DD|access|7|Access denied|门禁拒绝
DE|access|9|Request to enter|请求进入
DF|access|3|Door forced|门被强行打开
DG|access|9|Access granted|门禁放行
DH|access|9|Door left open, restored|门超时未关恢复|restore
DI|access|7|Access denied, passback|门禁拒绝（反潜回）
DJ|access|5|Door forced, trouble|门被强行打开（故障）
DK|access|6|Access lockout|门禁锁定
DL|access|4|Door left open, alarm|门超时未关报警
DM|access|6|Door left open, trouble|门超时未关（故障）
DN|access|9|Door left open, information|门超时未关（提示）
DO|access|9|Access open|通道打开
DP|access|7|Access denied, time|门禁拒绝（时段）
DQ|access|7|Access denied, arming state|门禁拒绝（布防状态）
DR|access|9|Door restored|门恢复正常|restore
DS|access|9|Door station|门口机
DT|access|6|Access trouble|门禁故障
DU|system|9|Dealer identification|经销商标识
DV|access|7|Access denied, level|门禁拒绝（权限级别）
DW|access|7|Access denied, interlock|门禁拒绝（互锁）
DX|access|9|Request to exit|请求外出
DY|access|9|Door locked|门已锁
DZ|access|7|Access denied, door secured|门禁拒绝（门已封锁）
EA|burglary|4|Exit alarm|外出延时末防区报警
EE|openclose|6|Exit error by user|用户外出延时错误|status
EJ|system|9|Expander tamper restored|扩展模块防拆恢复|restore
EM|tamper|4|Expander missing|扩展模块丢失
EN|system|9|Expander found again|扩展模块恢复在线|restore
ER|system|9|Expander restored|扩展模块恢复|restore
ES|tamper|3|Expander tamper|扩展模块防拆报警
ET|trouble|5|Expander trouble|扩展模块故障
EX|technical|6|External device condition|外部设备状态异常
EZ|burglary|4|Missing alarm, exit error|外出错误后防区失联报警
FC|cancel|7|Fire alarm cancelled|火警取消
FG|fire|4|Fire alarm not verified by cross point|火警（交叉防区未触发）
FI|test|8|Fire test started|火警测试开始
FK|test|9|Fire test ended|火警测试结束
FL|fire|4|Fire alarm silenced|火警已消音|status
FM|fire|1|Fire alarm confirmed by cross point|火警（交叉防区确认）
FQ|supervisory|9|Fire supervisory restored|消防监管恢复|restore
FV|supervisory|9|Fire supervisory restored|消防监管恢复|restore
FW|trouble|5|Fire supervisory trouble|消防监管故障
FX|test|9|Fire zone test|火警防区测试
FY|trouble|5|Fire zone missing|火警防区丢失故障
FZ|trouble|4|Fire zone supervision lost|火警防区失联
GX|test|9|Gas zone test|燃气防区测试
IA|trouble|5|Equipment failure|设备故障
IR|system|9|Equipment restored|设备恢复|restore
JA|tamper|4|Too many wrong codes|密码多次错误
JD|system|8|Date changed|日期变更
JH|system|8|Holiday changed|节假日设置变更
JK|openclose|7|Latch-key alert|孩童回家监护提醒|status
JL|system|8|Event log nearly full|事件记录将满
JO|system|8|Event log overflow|事件记录溢出
JP|openclose|8|User on premises|用户在场|status
JR|system|9|Schedule executed|时间表已执行
JS|system|8|Schedule changed|时间表变更
JT|system|8|Time changed|时间变更
JV|system|8|User code changed|用户密码变更
JX|system|8|User code deleted|用户密码删除
JY|system|8|User code added|用户密码新增
JZ|system|8|User level changed|用户级别变更
LB|system|8|Local programming started|本地编程开始
LD|system|7|Local programming denied|本地编程被拒
LE|verify|9|Listen-in ended|监听复核结束
LF|verify|3|Listen-in started|监听复核开始
LR|comms|9|Telephone line restored|电话线恢复|restore
LS|system|8|Local programming succeeded|本地编程成功
LT|comms|5|Telephone line trouble|电话线故障
LU|system|7|Local programming failed|本地编程失败
LX|system|8|Local programming ended|本地编程结束
MI|system|9|Message|预置信息
NA|medical|2|No activity|长时间无活动
NC|comms|6|Network condition|网络状态异常
NF|openclose|8|Perimeter armed by force|周界强制布防|close
NL|openclose|8|Perimeter armed|周界布防|close
NM|openclose|8|Perimeter armed, user-defined|周界布防（自定义）|close
NR|comms|9|Network restored|网络恢复|restore
NS|medical|9|Activity resumed|活动恢复|restore
NT|comms|5|Network failed|网络故障
OA|openclose|9|Disarmed automatically|自动撤防|open
OC|cancel|7|Alarm cancelled|报警取消
OG|openclose|9|Area disarmed|分区撤防|open
OH|openclose|7|Disarmed early, from alarm|提前撤防（报警中）|open
OI|openclose|7|Failed to disarm|未按时撤防|status
OJ|openclose|7|Disarmed late|延迟撤防（超时）|open
OK|openclose|7|Disarmed early|提前撤防|open
OL|openclose|7|Disarmed late, from alarm|延迟撤防（报警中）|open
OP|openclose|9|Disarmed by user|用户撤防|open
OQ|openclose|9|Disarmed remotely|远程撤防|open
OR|cancel|7|Disarmed after alarm|报警后撤防|open
OS|openclose|9|Disarmed by key-switch|钥匙开关撤防|open
OT|openclose|7|Late to arm|布防超时|status
OU|trouble|6|Output trouble|输出故障
OV|trouble|9|Output restored|输出恢复|restore
OZ|openclose|9|Point opened|防区点打开|log
RA|system|8|Remote programmer call failed|远程编程呼叫失败
RB|system|8|Remote programming started|远程编程开始
RC|system|9|Relay closed|继电器闭合
RD|system|6|Remote programming denied|远程编程被拒
RN|system|8|Remote reset|远程复位
RO|system|9|Relay open|继电器断开
RP|test|9|Automatic test|自动测试
RR|power|7|Power up|系统上电|status
RS|system|8|Remote programming succeeded|远程编程成功
RT|comms|5|Data lost|数据丢失
RU|system|6|Remote programming failed|远程编程失败
RX|test|9|Manual test|手动测试
RY|test|6|Test off normal, trouble present|测试（存在故障）
SC|system|8|Change of state|状态变化
TC|test|8|All points tested|全部测点已测试
TE|test|8|Test ended|测试结束
TP|test|9|Walk-test point|步行测试点
TS|test|8|Test started|测试开始
TW|test|8|Area watch started|区域看守开始
TX|test|9|Test report|测试报告
TZ|test|8|Area watch ended|区域看守结束
UG|burglary|4|Untyped alarm not verified by cross point|未分类报警（交叉防区未触发）
UX|burglary|2|Undefined alarm|未定义报警
UY|trouble|5|Untyped zone missing|未分类防区丢失故障
UZ|tamper|3|Untyped zone missing, alarm|未分类防区失联报警
VI|system|9|Printer paper in|打印机已装纸
VO|system|9|Printer paper out|打印机缺纸
VR|system|9|Printer restored|打印机恢复
VT|system|9|Printer trouble|打印机故障
VX|system|9|Printer test|打印机测试
VY|system|9|Printer online|打印机在线
VZ|system|9|Printer offline|打印机离线
XA|system|6|Event from an unknown account|未知账号事件
XE|trouble|6|Extra point|多余测点
XF|trouble|6|Extra radio point|多余无线测点
XH|system|9|Radio interference restored|无线干扰恢复|restore
XI|system|9|Sensor reset|探测器复位
XJ|system|9|Radio receiver tamper restored|无线接收器防拆恢复|restore
XL|trouble|6|Weak received signal|无线信号弱
XM|burglary|2|Missing alarm confirmed by cross point|防区失联报警（交叉防区确认）
XQ|tamper|3|Radio jamming|无线干扰
XR|system|9|Sensor battery restored|探测器电池恢复|restore
XS|tamper|3|Radio receiver tamper|无线接收器防拆报警
XT|power|6|Sensor battery low|探测器电池欠压
XW|bypass|7|Point forced out at arming|布防时强制旁路
XX|comms|4|Expected test not received|未收到定期测试
YA|trouble|5|Bell fault|警号故障
YB|system|9|Line-card busy seconds|线路卡占用时长
YC|comms|4|Communication failed|通信失败
YD|system|4|Receiver line-card trouble|接收机线路卡故障
YE|system|9|Receiver line-card restored|接收机线路卡恢复|restore
YF|trouble|5|Parameter checksum failed|参数校验失败
YG|system|7|Parameters changed|参数变更
YH|trouble|9|Bell restored|警号恢复|restore
YI|power|5|Supply over-current|电源过流
YJ|power|9|Supply over-current restored|电源过流恢复|restore
YK|comms|9|Communication restored|通信恢复|restore
YM|power|4|Battery missing|电池缺失
YN|system|6|Invalid report|无效报告
YO|system|6|Unknown message|未知消息
YP|power|5|Supply trouble|电源故障
YQ|power|9|Supply restored|电源恢复|restore
YR|power|9|Battery restored|电池恢复|restore
YS|comms|5|Communication trouble|通信故障
YT|power|5|Battery low|电池欠压
YU|trouble|6|Diagnostic error|诊断错误
YW|trouble|6|Watchdog reset|看门狗复位
YX|trouble|6|Service required|需要维修
YY|test|9|Status report header|状态报告开头
YZ|trouble|9|Service done|维修完成|restore
"""


@dataclass(frozen=True, slots=True)
class SiaCode:
    """One event code."""

    code: str
    kind: EventKind
    category: Category
    priority: int
    label_en: str
    label_zh: str


def _regular() -> dict[str, SiaCode]:
    """Multiply families by what can happen in each."""
    table: dict[str, SiaCode] = {}
    for row in filter(None, _FAMILY_ROWS.split("\n")):
        letter, word, alarm, bypass, trouble, alarm_en, zone_en, alarm_zh, zone_zh = row.split("|")
        own = Category(word)
        for second, kind, category, priority, en, zh in (
            ("A", EventKind.ALARM, own, int(alarm), alarm_en, alarm_zh),
            ("B", EventKind.BYPASS, Category.BYPASS, int(bypass), f"{zone_en} bypassed", f"{zone_zh}旁路"),
            ("U", EventKind.RESTORE, Category.BYPASS, 9, f"{zone_en} bypass removed", f"{zone_zh}旁路解除"),
            ("T", EventKind.TROUBLE, Category.TROUBLE, int(trouble), f"{zone_en} trouble", f"{zone_zh}故障"),
            ("J", EventKind.RESTORE, Category.TROUBLE, 9, f"{zone_en} trouble restored", f"{zone_zh}故障恢复"),
            ("H", EventKind.RESTORE, own, 9, f"{alarm_en} restored", f"{alarm_zh}恢复"),
            ("R", EventKind.RESTORE, own, 9, f"{zone_en} restored", f"{zone_zh}恢复"),
            ("S", EventKind.SUPERVISION, Category.SUPERVISORY, 4, f"{zone_en} supervisory", f"{zone_zh}监管信号"),
        ):
            table[letter + second] = SiaCode(letter + second, kind, category, priority, en, zh)
    return table


def _irregular() -> dict[str, SiaCode]:
    table: dict[str, SiaCode] = {}
    for row in filter(None, _ROWS.split("\n")):
        code, word, digit, en, zh, *kinds = row.split("|")
        category, priority = Category(word), int(digit)
        kind = EventKind(kinds[0]) if kinds else kind_of(category, priority)
        table[code] = SiaCode(code, kind, category, priority, en, zh)
    return table


CODES: dict[str, SiaCode] = _regular() | _irregular()
"""Two letters -> the code; what stands alone wins over what is regular."""
